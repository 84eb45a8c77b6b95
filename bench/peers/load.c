/*
 * The load generator: many watchers and a few publishers in one epoll loop. It knows WebSocket frames and HTTP answers;
 * what is said in them is handed in as files of ready bytes, so that every peer is driven by the same program.
 *
 * Every message that a watcher gets is looked through for "seq":N, and each N has to be the one before plus one.
 *
 * load --port P --watchers N --framing ws|raw --steps FILE [--keepalive FILE] [--pub-port P --pub-conns K --pub http|raw|answered
 *      --requests FILE] [--pub-hello FILE] [--until SEQ] [--server PID,PID]
 *
 * FILE of steps: (u32 bytes to send, bytes, u32 length of a text to wait for, text)*; of requests: (u32 length, bytes)*.
 * Commands on stdin: "run COUNT IN_FLIGHT RATE" (RATE 0: as fast as IN_FLIGHT allows), "until SEQ", "idle MS", "quit".
 * Each answers with one line of JSON. A run without progress for five seconds ends and says what is missing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  char *data;
  size_t length;
} Blob;

typedef struct {
  int fd;
  int is_publisher;
  int step;
  int is_ready;
  char *held; /* what did not make a whole frame yet */
  size_t held_length, held_room;
  int64_t last_seq;
  uint32_t received;
  int is_busy; /* a publisher waits for an answer */
  char *unsent;
  size_t unsent_length, unsent_at;
  double asked_at;
} Conn;

static Blob *sends, *waits;
static int step_count;
static Blob *requests;
static int request_count, next_request;
static Blob keepalive, pub_hello;
static Conn *watchers, *publishers;
static int watcher_count, publisher_count, ready_count;
static int is_ws = 1, is_http = 0, is_answered = 0; /* answered: by a line each, as Redis does */
static int epoll_fd;
static char *shared_buffer;
#define SHARED (4 << 20)

static int pids[16], pid_count;
static long long deliveries, holes, refused, responses, bytes_in, closed_count;
static int published, whole; /* whole: the first so many reached everybody */
static uint16_t *reached;    /* how many watchers have message i of this run */
static double *sent_at, *latency;
static int latency_count, run_limit;
static int64_t until_seq;
static int until_count;
static char first_refusal[400];

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
static void die(const char *what) {
  fprintf(stderr, "load: %s (%s)\n", what, strerror(errno));
  exit(1);
}
static Blob read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) die(path);
  fseek(f, 0, SEEK_END);
  Blob b = {0, (size_t)ftell(f)};
  rewind(f);
  b.data = malloc(b.length + 1);
  if (b.length && fread(b.data, 1, b.length, f) != b.length) die(path);
  fclose(f);
  return b;
}
static Blob take(Blob *from) {
  uint32_t n;
  if (from->length < 4) die("a file ended early");
  memcpy(&n, from->data, 4);
  Blob b = {from->data + 4, n};
  if (from->length < 4 + (size_t)n) die("a file ended early");
  from->data += 4 + n;
  from->length -= 4 + n;
  return b;
}
static long long server_cpu_ns(void) {
  long long sum = 0;
  for (int i = 0; i < pid_count; i++) {
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pids[i]);
    DIR *dir = opendir(path);
    if (!dir) continue;
    for (struct dirent *e; (e = readdir(dir));) {
      if (e->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pids[i], e->d_name);
      FILE *f = fopen(path, "r");
      long long ns = 0;
      if (f && fscanf(f, "%lld", &ns) == 1) sum += ns;
      if (f) fclose(f);
    }
    closedir(dir);
  }
  return sum;
}
static int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int left = 50; connect(fd, (struct sockaddr *)&a, sizeof a) < 0; left--) {
    if (left == 0) die("connect");
    usleep(20000);
  }
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}
static void push(Conn *c) {
  while (c->unsent_at < c->unsent_length) {
    ssize_t n = send(c->fd, c->unsent + c->unsent_at, c->unsent_length - c->unsent_at, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) return;
      struct epoll_event ev = {EPOLLIN | EPOLLOUT, {.ptr = c}};
      epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
      return;
    }
    c->unsent_at += n;
  }
  if (c->unsent_length) {
    c->unsent_at = c->unsent_length = 0;
    struct epoll_event ev = {EPOLLIN, {.ptr = c}};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
  }
}
static void say(Conn *c, const char *data, size_t length) {
  if (!c->unsent_length) {
    ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);
    if (n == (ssize_t)length) return;
    if (n > 0) {
      data += n;
      length -= n;
    }
  }
  c->unsent = realloc(c->unsent, c->unsent_length + length);
  memcpy(c->unsent + c->unsent_length, data, length);
  c->unsent_length += length;
  push(c);
}
static void arrived(Conn *c) {
  deliveries++;
  uint32_t i = c->received++;
  if (!reached || (int)i >= run_limit) return;
  if (++reached[i] == watcher_count) {
    if ((int)i < published) latency[latency_count++] = now_us() - sent_at[i];
    while (whole < run_limit && reached[whole] == watcher_count) whole++;
  }
}
static void look_through(Conn *c, const char *data, size_t length) {
  static const char key[] = "\"seq\":";
  const char *at = data, *end = data + length;
  while (at < end && (at = memmem(at, end - at, key, 6))) {
    at += 6;
    int64_t seq = 0;
    while (at < end && *at >= '0' && *at <= '9') seq = seq * 10 + (*at++ - '0');
    if (c->last_seq >= 0 && seq != c->last_seq + 1) holes++;
    if (until_seq && c->last_seq < until_seq && seq >= until_seq) until_count++;
    c->last_seq = seq;
    arrived(c);
  }
}
static void next_step(Conn *c) {
  for (;;) {
    if (c->step == step_count) {
      c->is_ready = 1;
      ready_count++;
      return;
    }
    c->asked_at = now_us();
    say(c, sends[c->step].data, sends[c->step].length);
    if (waits[c->step].length) return;
    c->step++;
  }
}
/* Text of a frame (or a line) as it comes. */
static void heard(Conn *c, const char *data, size_t length) {
  if (!c->is_ready) {
    Blob want = waits[c->step];
    if (memmem(data, length, want.data, want.length)) {
      c->step++;
      next_step(c);
    } else if (memmem(data, length, "refused", 7)) {
      fprintf(stderr, "load: %.*s\n", (int)(length > 300 ? 300 : length), data);
      exit(1);
    }
    return;
  }
  /* The relay says other things too, with numbers of their own. */
  if (length > 9 && !memcmp(data, "{\"kind\":\"", 9) && data[9] != 'c') return;
  look_through(c, data, length);
}
static size_t frames(Conn *c, const char *data, size_t length) {
  size_t at = 0;
  while (length - at >= 2) {
    const unsigned char *p = (const unsigned char *)data + at;
    size_t head = 2, n = p[1] & 127;
    if (n == 126) {
      head = 4;
      if (length - at < head) break;
      n = p[2] << 8 | p[3];
    } else if (n == 127) {
      head = 10;
      if (length - at < head) break;
      n = 0;
      for (int i = 2; i < 10; i++) n = n << 8 | p[i];
    }
    if (length - at < head + n) break;
    int op = p[0] & 15;
    if (op == 8) {
      fprintf(stderr, "load: a watcher was closed: %.*s\n", (int)(n > 2 ? n - 2 : 0), data + at + head + 2);
      closed_count++;
    } else if (op == 9) {
      char pong[6] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};
      if (n == 0) say(c, pong, 6);
    } else if (op < 3) heard(c, data + at + head, n);
    at += head + n;
  }
  return at;
}
static size_t lines(Conn *c, const char *data, size_t length) {
  const char *end = memrchr(data, '\n', length);
  if (!end) return 0;
  heard(c, data, end - data + 1);
  return end - data + 1;
}
static size_t watcher_bytes(Conn *c, const char *data, size_t length) {
  if (is_ws && !c->is_ready && c->step == 0) {
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (!memmem(data, length > 20 ? 20 : length, " 101", 4)) {
      fprintf(stderr, "load: %.*s\n", (int)length, data);
      exit(1);
    }
    c->step = 1;
    next_step(c);
    size_t used = end + 4 - data;
    return used + frames(c, data + used, length - used);
  }
  return is_ws ? frames(c, data, length) : lines(c, data, length);
}
static size_t answers(Conn *c, const char *data, size_t length) {
  size_t at = 0;
  for (;;) {
    char *end = memmem(data + at, length - at, "\r\n\r\n", 4);
    if (!end) return at;
    size_t head = end + 4 - (data + at), body = 0;
    for (char *p = (char *)data + at; p < end; p++)
      if (*p == '\n' && !strncasecmp(p + 1, "content-length:", 15)) body = strtoul(p + 16, 0, 10);
    if (length - at < head + body) return at;
    int status = atoi(data + at + 9);
    if (status < 200 || status > 299) {
      if (!refused++) snprintf(first_refusal, sizeof first_refusal, "%d %.*s", status, (int)(body > 300 ? 300 : body), end + 4);
    }
    responses++;
    c->is_busy = 0;
    at += head + body;
  }
}
static size_t publisher_bytes(Conn *c, const char *data, size_t length) {
  if (is_answered) {
    /* "$15\r\n...\r\n" for what was added, "-..." for what was not. */
    if (data[length - 1] != '\n' || (data[0] == '$' && !memchr(data + 4, '\n', length - 5))) return 0;
    if (data[0] == '-') refused++;
    responses++;
    c->is_busy = 0;
    return length;
  }
  if (is_http) return answers(c, data, length);
  if (length >= 6 && memmem(data, length, "PING\r\n", 6)) say(c, "PONG\r\n", 6);
  return length;
}
static void readable(Conn *c) {
  char *data = shared_buffer;
  size_t before = c->held_length;
  if (before) memcpy(data, c->held, before);
  ssize_t n = recv(c->fd, data + before, SHARED - before, 0);
  if (n <= 0) {
    if (n < 0 && errno == EAGAIN) return;
    closed_count++;
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, 0);
    close(c->fd);
    return;
  }
  bytes_in += n;
  size_t length = before + n;
  size_t used = c->is_publisher ? publisher_bytes(c, data, length) : watcher_bytes(c, data, length);
  size_t left = length - used;
  if (left > c->held_room) c->held = realloc(c->held, c->held_room = left * 2);
  if (left) memmove(c->held, data + used, left);
  c->held_length = left;
  if (left >= SHARED - 65536) die("a frame is larger than the buffer");
}
static int pump(int timeout_ms) {
  struct epoll_event events[512];
  int n = epoll_wait(epoll_fd, events, 512, timeout_ms);
  for (int i = 0; i < n; i++) {
    Conn *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) push(c);
    if (events[i].events & ~EPOLLOUT) readable(c);
  }
  return n;
}
static void open_conn(Conn *c, int port, int is_publisher) {
  c->fd = dial(port);
  c->is_publisher = is_publisher;
  c->last_seq = -1;
  struct epoll_event ev = {EPOLLIN, {.ptr = c}};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
}
/*
 * A socket that spoke after it had heard acknowledges late: the kernel then makes the acknowledgement as the next bytes come in,
 * on the server's core and at its cost. Some protocols have a watcher speak last and some do not, so all begin alike here:
 * each acknowledges what it reads as it reads it, on this core.
 */
static void acknowledge_at_once(void) {
  int one = 1;
  for (int i = 0; i < watcher_count; i++) setsockopt(watchers[i].fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
}
static double last_keepalive;
static void keep_alive(void) {
  if (!keepalive.length || now_us() - last_keepalive < 15e6) return;
  last_keepalive = now_us();
  for (int i = 0; i < watcher_count; i++) say(&watchers[i], keepalive.data, keepalive.length);
  acknowledge_at_once();
}
static int by_size(const void *a, const void *b) {
  double d = *(const double *)a - *(const double *)b;
  return d < 0 ? -1 : d > 0;
}
/* Sends as many as may be under way; in-order turns of connections for HTTP, one connection for the rest. */
static void publish(int count, int in_flight, double rate, double began) {
  static int turn;
  while (published < count && next_request < request_count) {
    int open = watcher_count ? published - whole : published - (int)responses;
    if (rate > 0) {
      if (now_us() < began + published * 1e6 / rate) return;
    } else if (open >= in_flight) return;
    Conn *c = &publishers[0];
    if (is_http) {
      int tries = 0;
      while (tries < publisher_count && publishers[turn].is_busy) {
        turn = (turn + 1) % publisher_count;
        tries++;
      }
      if (publishers[turn].is_busy) return;
      c = &publishers[turn];
      turn = (turn + 1) % publisher_count;
      c->is_busy = 1;
    }
    Blob r = requests[next_request++];
    sent_at[published++] = now_us();
    if (!is_http && watcher_count && rate == 0 && in_flight > 1) {
      /* A burst is one write. */
      size_t total = r.length, room = r.length * in_flight + 64;
      char *all = malloc(room);
      memcpy(all, r.data, r.length);
      while (published < count && next_request < request_count && published - whole < in_flight) {
        Blob more = requests[next_request++];
        if (total + more.length > room) all = realloc(all, room = (total + more.length) * 2);
        memcpy(all + total, more.data, more.length);
        total += more.length;
        sent_at[published++] = now_us();
      }
      say(c, all, total);
      free(all);
    } else say(c, r.data, r.length);
  }
}
static void run(int count, int in_flight, double rate) {
  reached = calloc(count + 1, sizeof *reached);
  sent_at = calloc(count + 1, sizeof *sent_at);
  latency = calloc(count + 1, sizeof *latency);
  run_limit = count;
  published = whole = latency_count = 0;
  responses = deliveries = holes = refused = bytes_in = 0;
  for (int i = 0; i < watcher_count; i++) watchers[i].received = 0;
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  long long cpu = server_cpu_ns();
  double began = now_us(), progressed = began, sent_last = began;
  long long seen = -1;
  int want_responses = is_http;
  while (now_us() - progressed < 5e6 && !closed_count) {
    publish(count, in_flight, rate, began);
    if (published >= count || next_request >= request_count)
      if ((!watcher_count || whole >= published) && (!want_responses || responses >= published)) break;
    /* Never asleep: waking this program costs the server an interrupt on another core, and only those who are slower than it pay. */
    pump(0);
    keep_alive();
    if (deliveries + responses + published != seen) {
      seen = deliveries + responses + published;
      progressed = now_us();
      sent_last = progressed;
    }
    if (refused > 64) break;
  }
  cpu = server_cpu_ns() - cpu;
  getrusage(RUSAGE_SELF, &after);
  double own = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1e6 +
               (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec);
  double ms = (sent_last - began) / 1e3;
  qsort(latency, latency_count, sizeof *latency, by_size);
  double p50 = latency_count ? latency[latency_count / 2] : 0, p99 = latency_count ? latency[(int)(latency_count * 0.99)] : 0;
  for (char *p = first_refusal; *p; p++)
    if (*p == '"' || *p == '\\' || *p < 32) *p = '\'';
  printf("{\"published\":%d,\"deliveries\":%lld,\"ms\":%.3f,\"serverCpuUs\":%.1f,\"loadCpuUs\":%.0f,\"holes\":%lld,"
         "\"missing\":%lld,\"refused\":%lld,\"refusal\":\"%s\",\"closed\":%lld,\"p50Us\":%.0f,\"p99Us\":%.0f,\"maxUs\":%.0f,\"bytes\":%lld}\n",
         published, deliveries, ms, cpu / 1e3, own, holes, (long long)published * watcher_count - deliveries, refused,
         first_refusal, closed_count, p50, p99, latency_count ? latency[latency_count - 1] : 0, bytes_in);
  fflush(stdout);
  free(reached);
  free(sent_at);
  free(latency);
  reached = 0;
}
static void until(int64_t seq, long long cpu_before) {
  double began = watchers[0].asked_at, progressed = now_us();
  long long seen = -1;
  while (until_count < watcher_count && now_us() - progressed < 20e6 && !closed_count) {
    pump(0);
    if (deliveries != seen) {
      seen = deliveries;
      progressed = now_us();
    }
  }
  printf("{\"seq\":%lld,\"ms\":%.3f,\"serverCpuUs\":%.1f,\"deliveries\":%lld,\"holes\":%lld,\"reached\":%d,\"closed\":%lld,\"bytes\":%lld}\n",
         (long long)seq, (now_us() - began) / 1e3, (server_cpu_ns() - cpu_before) / 1e3, deliveries, holes, until_count,
         closed_count, bytes_in);
  fflush(stdout);
}
int main(int argc, char **argv) {
  int port = 0, pub_port = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    char *name = argv[i], *value = argv[i + 1];
    if (!strcmp(name, "--port")) port = atoi(value);
    else if (!strcmp(name, "--watchers")) watcher_count = atoi(value);
    else if (!strcmp(name, "--framing")) is_ws = !strcmp(value, "ws");
    else if (!strcmp(name, "--until")) until_seq = atoll(value);
    else if (!strcmp(name, "--steps")) {
      Blob file = read_file(value);
      sends = calloc(64, sizeof *sends);
      waits = calloc(64, sizeof *waits);
      while (file.length && step_count < 64) {
        sends[step_count] = take(&file);
        waits[step_count++] = take(&file);
      }
    } else if (!strcmp(name, "--keepalive")) keepalive = read_file(value);
    else if (!strcmp(name, "--pub-hello")) pub_hello = read_file(value);
    else if (!strcmp(name, "--pub-port")) pub_port = atoi(value);
    else if (!strcmp(name, "--pub-conns")) publisher_count = atoi(value);
    else if (!strcmp(name, "--pub")) {
      is_answered = !strcmp(value, "answered");
      is_http = is_answered || !strcmp(value, "http");
    }
    else if (!strcmp(name, "--requests")) {
      Blob file = read_file(value);
      int room = 0;
      while (file.length) {
        if (request_count == room) requests = realloc(requests, (room = room * 2 + 1024) * sizeof *requests);
        requests[request_count++] = take(&file);
      }
    } else if (!strcmp(name, "--server")) {
      for (char *p = strtok(value, ","); p && pid_count < 16; p = strtok(0, ",")) pids[pid_count++] = atoi(p);
    } else die(name);
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  shared_buffer = malloc(SHARED);
  epoll_fd = epoll_create1(0);
  watchers = calloc(watcher_count + 1, sizeof *watchers);
  publishers = calloc(publisher_count + 1, sizeof *publishers);
  long long cpu = server_cpu_ns();
  last_keepalive = now_us();
  for (int i = 0; i < watcher_count; i++) {
    open_conn(&watchers[i], port, 0);
    watchers[i].asked_at = now_us();
    say(&watchers[i], sends[0].data, sends[0].length);
    if (!is_ws && !waits[0].length) {
      watchers[i].step = 1;
      next_step(&watchers[i]);
    }
    /* Not all at once: a server may listen with a short queue. */
    if (i % 64 == 63) {
      double t = now_us();
      while (ready_count < i - 256 && now_us() - t < 10e6) pump(10);
      keep_alive();
    }
  }
  double t = now_us();
  while (ready_count < watcher_count && now_us() - t < 30e6) pump(100);
  if (ready_count < watcher_count) die("not every watcher was let in");
  acknowledge_at_once();
  for (int i = 0; i < publisher_count; i++) {
    open_conn(&publishers[i], pub_port, 1);
    if (pub_hello.length) say(&publishers[i], pub_hello.data, pub_hello.length);
  }
  printf("{\"ready\":%d}\n", ready_count);
  fflush(stdout);
  char line[200];
  while (fgets(line, sizeof line, stdin)) {
    int count, in_flight, ms;
    double rate;
    if (sscanf(line, "run %d %d %lf", &count, &in_flight, &rate) == 3) run(count, in_flight, rate);
    else if (!strncmp(line, "until", 5)) until(until_seq, cpu);
    else if (sscanf(line, "idle %d", &ms) == 1) {
      for (double end = now_us() + ms * 1e3; now_us() < end;) {
        pump(50);
        keep_alive();
      }
      printf("{\"idle\":%d,\"closed\":%lld}\n", ms, closed_count);
      fflush(stdout);
    } else break;
  }
  return 0;
}
