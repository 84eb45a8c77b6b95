/*
 * The limit: a broadcaster with nothing in it. Takes (u32 length, message)* on one port and sends each message, framed
 * once, to everybody on the other. "each": one write a message; "turn": one write for all that was read in one turn.
 * It answers the upgrade without its hash, which the load generator does not look at. broadcaster PORT PUB_PORT each|turn
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (8 << 20)
static int clients[20000], client_count;
static char *in, *out;
static size_t held;

static int open_port(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) {
    perror("broadcaster");
    exit(1);
  }
  return fd;
}
static void send_all(const char *data, size_t length) {
  for (int i = 0; i < client_count; i++) {
    size_t at = 0;
    while (at < length) {
      ssize_t n = send(clients[i], data + at, length - at, MSG_NOSIGNAL);
      if (n > 0) at += n;
      else if (errno == EAGAIN) usleep(50);
      else break;
    }
  }
}
static size_t frame(char *to, const char *message, uint32_t n) {
  size_t head = 2;
  to[0] = (char)0x81;
  if (n < 126) to[1] = (char)n;
  else if (n < 65536) {
    to[1] = 126;
    to[2] = (char)(n >> 8);
    to[3] = (char)n;
    head = 4;
  } else {
    to[1] = 127;
    for (int i = 0; i < 8; i++) to[2 + i] = (char)((uint64_t)n >> (56 - 8 * i));
    head = 10;
  }
  memcpy(to + head, message, n);
  return head + n;
}
int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int port = open_port(atoi(argv[1])), pub_port = open_port(atoi(argv[2])), by_turn = !strcmp(argv[3], "turn");
  in = malloc(ROOM);
  out = malloc(ROOM * 2);
  int epoll_fd = epoll_create1(0), publisher = -1;
  struct epoll_event ev = {EPOLLIN, {.fd = port}};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, port, &ev);
  ev.data.fd = pub_port;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pub_port, &ev);
  printf("{\"msg\":\"listening\",\"url\":\"http://127.0.0.1:%s\"}\n", argv[1]);
  fflush(stdout);
  for (;;) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == port || fd == pub_port) {
        int c = accept4(fd, 0, 0, fd == port ? SOCK_NONBLOCK : 0), one = 1;
        if (c < 0) continue;
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        ev.data.fd = c;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c, &ev);
        if (fd == pub_port) publisher = c;
        continue;
      }
      if (fd != publisher) {
        char request[4096];
        ssize_t got = recv(fd, request, sizeof request, 0);
        if (got <= 0) {
          for (int k = 0; k < client_count; k++)
            if (clients[k] == fd) clients[k] = clients[--client_count];
          close(fd);
        } else if (memmem(request, got, "Upgrade", 7)) {
          static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
          send(fd, yes, sizeof yes - 1, MSG_NOSIGNAL);
          clients[client_count++] = fd;
        }
        continue;
      }
      ssize_t got = recv(fd, in + held, ROOM - held, 0);
      if (got <= 0) {
        close(fd);
        publisher = -1;
        held = 0;
        continue;
      }
      held += got;
      size_t at = 0, ready = 0;
      uint32_t length;
      while (held - at >= 4 && (memcpy(&length, in + at, 4), held - at >= 4 + (size_t)length)) {
        size_t size = frame(out + ready, in + at + 4, length);
        if (by_turn) ready += size;
        else send_all(out, size);
        at += 4 + length;
      }
      if (ready) send_all(out, ready);
      memmove(in, in + at, held - at);
      held -= at;
    }
  }
}
