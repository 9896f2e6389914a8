/* Keyed BLAKE2b with a digest of 16 octets (RFC 7693), as hashlib has it: a state is copied, fed and read without an object. */
#ifndef SLIPSTREAM_BLAKE2B_H
#define SLIPSTREAM_BLAKE2B_H
#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_BLOCK 128
#define BLAKE2B_DIGEST 16
#define BLAKE2B_MAX_KEY 64

typedef struct {
    uint64_t chain[8];
    uint64_t count; /* octets compressed: less than 2^64 ever are */
    size_t fill;    /* octets that wait in `block`: the last block is compressed as such */
    uint8_t block[BLAKE2B_BLOCK];
} Blake2b;

/* `size` is at most BLAKE2B_MAX_KEY; 0: without a key. */
void lines_blake2b_begin(Blake2b *self, const uint8_t *key, size_t size);
void lines_blake2b_copy(Blake2b *self, const Blake2b *other);
void lines_blake2b_update(Blake2b *self, const uint8_t *octets, size_t size);
/* The state is used up. */
void lines_blake2b_digest(Blake2b *self, uint8_t digest[BLAKE2B_DIGEST]);

#endif
