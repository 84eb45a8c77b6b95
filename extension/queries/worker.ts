/** The worker of a page: the mirror, and nothing else. Started by `queries.ts`, never imported. */
import { openMirror } from "../mirror/mirror.ts";
import { serve } from "./serve.ts";

serve(globalThis, () => openMirror());
