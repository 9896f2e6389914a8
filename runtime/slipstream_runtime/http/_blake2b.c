/* BLAKE2b as RFC 7693 section 3 writes it. Here because a cache key is hashed for each request, and through hashlib the calls cost as much
as the hash. Portable: no vector instructions, any order of octets. */
#include "_blake2b.h"
#include <string.h>

static const uint64_t IV[8] = {
    0x6A09E667F3BCC908u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu, 0xA54FF53A5F1D36F1u,
    0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu, 0x1F83D9ABFB41BD6Bu, 0x5BE0CD19137E2179u,
};

static inline uint64_t load(const uint8_t *from)
{
    uint64_t word = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&word, from, sizeof word);
#else
    for (int i = 7; i >= 0; i--)
        word = word << 8 | from[i];
#endif
    return word;
}

static inline uint64_t rotate(uint64_t word, unsigned int by)
{
    return word >> by | word << (64 - by);
}

static inline void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y)
{
    *a += *b + x;
    *d = rotate(*d ^ *a, 32);
    *c += *d;
    *b = rotate(*b ^ *c, 24);
    *a += *b + y;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 63);
}

/* One round, written out so that compilers know which word goes where. */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
    mix(&v[0], &v[4], &v[8], &v[12], m[s0], m[s1]);                                 \
    mix(&v[1], &v[5], &v[9], &v[13], m[s2], m[s3]);                                 \
    mix(&v[2], &v[6], &v[10], &v[14], m[s4], m[s5]);                                \
    mix(&v[3], &v[7], &v[11], &v[15], m[s6], m[s7]);                                \
    mix(&v[0], &v[5], &v[10], &v[15], m[s8], m[s9]);                                \
    mix(&v[1], &v[6], &v[11], &v[12], m[s10], m[s11]);                              \
    mix(&v[2], &v[7], &v[8], &v[13], m[s12], m[s13]);                               \
    mix(&v[3], &v[4], &v[9], &v[14], m[s14], m[s15])

static void compress(Blake2b *self, int last)
{
    uint64_t v[16], m[16];
    for (int i = 0; i < 16; i++)
        m[i] = load(self->block + 8 * i);
    memcpy(v, self->chain, sizeof self->chain);
    memcpy(v + 8, IV, sizeof IV);
    v[12] ^= self->count;
    if (last)
        v[14] = ~v[14];
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    for (int i = 0; i < 8; i++)
        self->chain[i] ^= v[i] ^ v[i + 8];
}

void lines_blake2b_begin(Blake2b *self, const uint8_t *key, size_t size)
{
    memset(self, 0, sizeof *self);
    memcpy(self->chain, IV, sizeof IV);
    self->chain[0] ^= 0x01010000u ^ (uint64_t)size << 8 ^ BLAKE2B_DIGEST; /* fan-out and depth 1: no tree */
    if (size) {
        memcpy(self->block, key, size);
        self->fill = BLAKE2B_BLOCK; /* the key is a block of its own */
    }
}

void lines_blake2b_copy(Blake2b *self, const Blake2b *other)
{
    memcpy(self->chain, other->chain, sizeof self->chain);
    self->count = other->count;
    self->fill = other->fill;
    memcpy(self->block, other->block, other->fill); /* the rest is written before it is read */
}

void lines_blake2b_update(Blake2b *self, const uint8_t *octets, size_t size)
{
    while (size) {
        if (self->fill == BLAKE2B_BLOCK) {
            self->count += BLAKE2B_BLOCK;
            compress(self, 0);
            self->fill = 0;
        }
        size_t taken = BLAKE2B_BLOCK - self->fill;
        if (taken > size)
            taken = size;
        memcpy(self->block + self->fill, octets, taken);
        self->fill += taken;
        octets += taken;
        size -= taken;
    }
}

void lines_blake2b_digest(Blake2b *self, uint8_t digest[BLAKE2B_DIGEST])
{
    self->count += self->fill;
    memset(self->block + self->fill, 0, BLAKE2B_BLOCK - self->fill);
    compress(self, 1);
    for (int i = 0; i < BLAKE2B_DIGEST; i++)
        digest[i] = (uint8_t)(self->chain[i / 8] >> 8 * (i % 8));
}
