#include "formats/digesting.h"

#include "base/sha256.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The ring stays in the last cache. The reader is woken when half of it is free: a waking is worth
 * more than one piece. */
enum { PIECE_BYTES = 256 * 1024, PIECES = 16, WAKE_AT = PIECES / 2 };

struct eng__digesting {
    const eng__file *file;
    uint64_t n_pieces;
    uint8_t *ring; /* [PIECES][PIECE_BYTES] */
    pthread_t reader, hasher;
    bool joined; /* (w) by whoever waits */
    pthread_mutex_t mutex;
    pthread_cond_t moved;      /* something below has changed */
    uint64_t n_read, n_hashed; /* (m) pieces; at most PIECES apart */
    bool stop;                 /* (m) nobody wants it any more */
    eng_status status;         /* (m) of reading; the hasher ends with it */
    eng_error error;           /* (m) of it */
    char hex[ENG_SHA256_HEX];  /* the hasher's, until it is joined */
};

static size_t piece_bytes(const eng__digesting *d, uint64_t i)
{
    const uint64_t left = d->file->size - i * PIECE_BYTES;
    return left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
}

static uint8_t *piece_of(const eng__digesting *d, uint64_t i)
{
    return d->ring + i % PIECES * PIECE_BYTES;
}

/* Is there room for piece i, and a reason to read it? */
static bool wait_for_room(eng__digesting *d, uint64_t i)
{
    pthread_mutex_lock(&d->mutex);
    if (i - d->n_hashed == PIECES)
        while (i - d->n_hashed > WAKE_AT && !d->stop)
            pthread_cond_wait(&d->moved, &d->mutex);
    const bool go_on = !d->stop;
    pthread_mutex_unlock(&d->mutex);
    return go_on;
}

static void *reader_main(void *arg)
{
    eng__digesting *d = arg;
    eng_status status = ENG_OK;
    for (uint64_t i = 0; i < d->n_pieces && status == ENG_OK && wait_for_room(d, i); i++) {
        eng_error err;
        status = eng__file_read(d->file, i * PIECE_BYTES, piece_of(d, i), piece_bytes(d, i), &err);
        pthread_mutex_lock(&d->mutex);
        d->n_read += status == ENG_OK;
        d->status = status;
        if (status != ENG_OK)
            d->error = err;
        pthread_cond_broadcast(&d->moved);
        pthread_mutex_unlock(&d->mutex);
    }
    return NULL;
}

static bool wait_for_piece(eng__digesting *d, uint64_t i)
{
    pthread_mutex_lock(&d->mutex);
    d->n_hashed = i;
    if (d->n_read - i == WAKE_AT)
        pthread_cond_broadcast(&d->moved);
    while (d->n_read == i && d->status == ENG_OK && !d->stop)
        pthread_cond_wait(&d->moved, &d->mutex);
    const bool go_on = d->n_read > i && !d->stop;
    pthread_mutex_unlock(&d->mutex);
    return go_on;
}

static void *hasher_main(void *arg)
{
    eng__digesting *d = arg;
    eng_sha256 sha;
    eng_sha256_init(&sha);
    for (uint64_t i = 0; i < d->n_pieces && wait_for_piece(d, i); i++)
        eng_sha256_update(&sha, piece_of(d, i), piece_bytes(d, i));
    eng_sha256_final_hex(&sha, d->hex);
    return NULL;
}

static void stop(eng__digesting *d)
{
    pthread_mutex_lock(&d->mutex);
    d->stop = true;
    pthread_cond_broadcast(&d->moved);
    pthread_mutex_unlock(&d->mutex);
}

static bool start_threads(eng__digesting *d)
{
    if (pthread_create(&d->reader, NULL, reader_main, d) != 0)
        return false;
    if (pthread_create(&d->hasher, NULL, hasher_main, d) == 0)
        return true;
    stop(d);
    pthread_join(d->reader, NULL);
    return false;
}

static void free_parts(eng__digesting *d)
{
    pthread_cond_destroy(&d->moved);
    pthread_mutex_destroy(&d->mutex);
    free(d->ring);
    free(d);
}

eng__digesting *eng__digesting_start(const eng__file *file)
{
    eng__digesting *d = calloc(1, sizeof *d);
    uint8_t *ring = malloc(PIECES * PIECE_BYTES);
    if (!d || !ring) {
        free(ring);
        free(d);
        return NULL;
    }
    d->file = file;
    d->n_pieces = (file->size + PIECE_BYTES - 1) / PIECE_BYTES;
    d->ring = ring;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->moved, NULL);
    if (start_threads(d))
        return d;
    free_parts(d);
    return NULL;
}

static void join(eng__digesting *d)
{
    if (!d->joined) {
        pthread_join(d->hasher, NULL);
        pthread_join(d->reader, NULL);
    }
    d->joined = true;
}

eng_status eng__digesting_wait(eng__digesting *d, char hex[65], eng_error *err)
{
    join(d);
    if (d->status != ENG_OK)
        return eng_fail(err, d->status, "%s", d->error.text);
    memcpy(hex, d->hex, sizeof d->hex);
    return ENG_OK;
}

void eng__digesting_free(eng__digesting *d)
{
    if (!d)
        return;
    stop(d);
    join(d);
    free_parts(d);
}
