/* Every limit of the daemon, in one place. What a client sends, and what the daemon queues for it,
 * is bounded by a number below; a refusal names the field and the bound. */
#ifndef DAEMON_BASE_LIMITS_H
#define DAEMON_BASE_LIMITS_H

enum {
    /* HTTP */
    LIMIT_HEAD_BYTES = 16 * 1024,
    LIMIT_HEAD_FIELDS = 100,
    LIMIT_BODY_BYTES = 1024 * 1024,
    LIMIT_BODY_OVERHEAD_BYTES = 4 * 1024, /* chunk framing and trailers beyond 12 bytes a chunk */
    LIMIT_CHUNK_HEAD_BYTES = 12,
    LIMIT_HEAD_MS = 10 * 1000,
    LIMIT_BODY_MS = 20 * 1000,
    LIMIT_IDLE_MS = 60 * 1000,
    LIMIT_CONNS_PER_KEY = 64,
    LIMIT_FD_RESERVE = 64,             /* descriptors kept from connections */
    LIMIT_SSE_PARK_BYTES = 64 * 1024,  /* queued for a reader: its sequences pause */
    LIMIT_SSE_DROP_BYTES = 256 * 1024, /* queued for a reader: it is dropped */
    LIMIT_SSE_STALL_MS = 30 * 1000, /* parked, or a plain reply stuck, this long: it is dropped */
    LIMIT_WRITE_PIECE_BYTES = 64 * 1024,
    LIMIT_SSE_PING_MS = 15 * 1000,
    LIMIT_DRAIN_MS = 30 * 1000,
    LIMIT_LINGER_MS = 2 * 1000,             /* an error's reader has this long to take it */
    LIMIT_LINGER_CONNS = 32,                /* of the reserve, for 503 past the connection cap */
    LIMIT_READ_BYTES = 64 * 1024,           /* one read; the buffer is shared by all connections */
    LIMIT_PIPELINE_BYTES = 64 * 1024,       /* read ahead of a busy connection */
    LIMIT_SNDBUF_BYTES = 128 * 1024,        /* kernel send buffer: slow readers show early */
    LIMIT_REPLY_BYTES = 256 * 1024 * 1024,  /* one plain reply */
    LIMIT_WORKER_JOBS = 512,                /* bodies being parsed or waiting for that */
    LIMIT_MANAGE_JOBS = 3,                  /* those of management, of libuv's four workers */
    LIMIT_LONG_JOBS = 2,                    /* and of these, those that may take minutes */
    LIMIT_BODIES_BYTES = 256 * 1024 * 1024, /* bodies being read, all connections together */

    /* the event bus */
    LIMIT_EVENTS = 1024,                  /* remembered for readers that come back */
    LIMIT_EVENTS_BYTES = 4 * 1024 * 1024, /* of JSON, all together */
    LIMIT_LISTENERS = 256,                /* who follow events, at once */
    LIMIT_LAST_WORDS_MS = 500, /* a stream of a job's events stays so long after the job's end */

    /* training jobs */
    LIMIT_JOB_STOP_MS = 30 * 1000,       /* told to stop, a plugin may take so long */
    LIMIT_JOB_SILENT_CPU_MS = 30 * 1000, /* computing so long without a sign of life is a hang */
    LIMIT_JOB_SILENT_MS = 600 * 1000,    /* and so is this long in all */
    LIMIT_FILE_CHECK_CPU_MS = 30 * 1000, /* a plugin may compute so long over an uploaded file (the
                                            largest takes rlhf some 3 s) */
    LIMIT_FILE_CHECK_MS = 120 * 1000,    /* and take so long in all */
    LIMIT_FILE_CHECK_STOP_MS = 5 * 1000, /* once the daemon is to end */
    LIMIT_JOB_TICK_MS = 100,             /* how often a job is looked at */
    LIMIT_JOB_RETRY_S = 1,               /* between two tries when the store fails */
    LIMIT_JOB_METRICS = 64,              /* names in one row */
    LIMIT_JOB_METRIC_ROWS = 10000,       /* rows in one reply */
    LIMIT_JOB_EVENT_BYTES = 16 * 1024,   /* of an event's data */
    LIMIT_JOB_METADATA = 16,             /* entries, of 64 and 512 characters at most */

    /* reward endpoints */
    LIMIT_REWARD_CONNECT_MS = 5 * 1000,
    LIMIT_REWARD_TOTAL_MS = 60 * 1000, /* one try */
    LIMIT_REWARD_PAUSE_MS = 500,       /* before the second try; doubles with each */
    LIMIT_REWARD_RETRIES = 3,          /* after the first try */
    LIMIT_REWARD_GROUP = 64,           /* completions in one request */
    LIMIT_REWARD_REQUEST_BYTES = 16 * 1024 * 1024,
    LIMIT_REWARD_REPLY_BYTES = 1024 * 1024,

    /* the store */
    LIMIT_STORE_GROUP_MS = 500,            /* queued writes are synced together after so long */
    LIMIT_STORE_RETRY_MS = 5000,           /* and tried again so long after they failed */
    LIMIT_STORE_QUEUED = 4096,             /* or as soon as there are so many */
    LIMIT_STORE_POSTED = 256,              /* more calls waiting: a post is refused */
    LIMIT_STORE_METRICS_BYTES = 64 * 1024, /* one step's, as JSON */

    /* what people give */
    LIMIT_CAPTURE_BYTES = 1024 * 1024, /* one captured answer */
    LIMIT_LABEL_MIN_K = 4,             /* outputs that are drawn for a task */
    LIMIT_LABEL_MAX_K = 9,
    LIMIT_LABEL_POLICIES = 9, /* that they are drawn from */
    LIMIT_LABEL_OVERLAP = 10, /* labelers of one task */
    LIMIT_LABEL_OUTPUT_TOKENS = 1024,
    LIMIT_LABEL_TASKS = 10000,                  /* made by one request */
    LIMIT_LABEL_BATCH_BYTES = 64 * 1024 * 1024, /* of their texts */
    LIMIT_LABEL_TEXT_BYTES = 256 * 1024,        /* a demonstration's prompt, its completion */
    LIMIT_LABEL_NOTE_BYTES = 4096,              /* a comment, a note */
    LIMIT_LABEL_ELAPSED_MS = 7 * 24 * 3600 * 1000,
    LIMIT_LABEL_SHARED = 100000, /* rankings that agreement looks at */

    /* uploads */
    LIMIT_UPLOAD_BYTES = 512 * 1024 * 1024,  /* one file */
    LIMIT_UPLOAD_FORM_BYTES = 64 * 1024,     /* of the form around it */
    LIMIT_UPLOAD_BYTES_PER_S = 16 * 1024,    /* slower, over LIMIT_BODY_MS: 408 */
    LIMIT_UPLOAD_WAITING_BYTES = 256 * 1024, /* for the disk: the client is not read meanwhile */
    LIMIT_UPLOADS = 16,                      /* at once */

    /* data sets */
    LIMIT_DATASET_BYTES = 1024 * 1024 * 1024,   /* of text while one is built */
    LIMIT_DATASET_ROW_BYTES = 64 * 1024 * 1024, /* of one row, in any format */
    LIMIT_DATASET_PAGE = 256,                   /* rows asked of the store at once */

    /* JSON and fields */
    LIMIT_JSON_DEPTH = 32,
    LIMIT_PROMPTS = 128,
    LIMIT_CHOICES = 128,
    LIMIT_BEST_OF = 20,
    LIMIT_SEQUENCES = 256, /* prompts x max(n, best_of) */
    LIMIT_STOPS = 16,
    LIMIT_STOP_BYTES = 256,
    LIMIT_STOP_IDS = 64,
    LIMIT_LOGIT_BIAS = 1024,
    LIMIT_TOP_LOGPROBS = 20,
    LIMIT_MESSAGES = 1024,
    LIMIT_REWARD_INPUTS = 64,
    LIMIT_USER_CHARS = 128,
    LIMIT_NAME_BYTES = 64,
    LIMIT_CHAT_TEXT_BYTES = 4 * 1024 * 1024,
    LIMIT_DETOKENIZE_IDS = 1024 * 1024,

    /* scheduling */
    LIMIT_QUEUED_REQUESTS = 512, /* waiting; one more is 429 */
    LIMIT_MAILBOX = 65536,
    LIMIT_EVENT_BACKLOG = 4096, /* events the loop has not taken: the next step waits */
};

#endif
