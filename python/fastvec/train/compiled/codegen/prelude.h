// What programs are made of. No headers: they would take longer to compile than the program.
typedef unsigned char u8;
typedef void (*Gemm)(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                     const int*, const float*, const int*, const float*, float*, const int*);

#define INFINITY_ __builtin_inff()
#define sqrtf __builtin_sqrtf
#define floorf __builtin_floorf
#define powf __builtin_powf
#define erff __builtin_erff
#define IN static inline __attribute__((always_inline))

template <class T>
IN T absolute(T x) {
  return x < 0 ? -x : x;
}
template <class T>
IN T sign_of(T x) {
  return (T)(x > 0) - (T)(x < 0);
}
template <class T>
IN T squared(T x) {
  return x * x;
}
// NaN stays NaN in all of these.
template <class T, class L>
IN T at_least(T x, L low) {
  return x < (T)low ? (T)low : x;
}
template <class T, class H>
IN T at_most(T x, H high) {
  return x > (T)high ? (T)high : x;
}
template <class T>
IN T larger(T a, T b) {
  return (a > b) | (a != a) ? a : b;
}
template <class T>
IN T smaller(T a, T b) {
  return (a < b) | (a != a) ? a : b;
}

IN float from_bits(int bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}
IN int to_bits(float x) {
  int bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

IN float power_of_two(int n) { return from_bits((n + 127) * (1 << 23)); }

// exp(x) = 2^n exp(r) with |r| <= log(2) / 2, where the Taylor series of degree 7 is exact to the last bit or two.
IN float exp_(float x) {
  x = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
  const float n = __builtin_rintf(x * 0x1.715476p+0f);
  const float r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
  float p = 0x1.a01a02p-13f;
  p = p * r + 0x1.6c16c2p-10f;
  p = p * r + 0x1.111112p-7f;
  p = p * r + 0x1.555556p-5f;
  p = p * r + 0x1.555556p-3f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int e = (int)(n == n ? n : 0.0f);
  const int half = e >> 1;  // in two steps, so that results below the smallest normal number are right as well
  return p * power_of_two(half) * power_of_two(e - half);
}

// log(x) = e log(2) + log(m) with m between sqrt(1/2) and sqrt(2), by the series of atanh((m - 1) / (m + 1)).
IN float log_(float x) {
  const bool tiny = x < 0x1p-126f;
  const float y = tiny ? x * 0x1p23f : x;
  const int bits = to_bits(y);
  int e = ((bits >> 23) & 255) - 127 - (tiny ? 23 : 0);
  float m = from_bits((bits & 0x7fffff) | 0x3f800000);
  const bool high = m > 0x1.6a09e6p+0f;
  m = high ? m * 0.5f : m;
  e = high ? e + 1 : e;
  const float f = m - 1.0f;
  const float s = f / (m + 1.0f), z = s * s;
  float p = 0x1.3b13b2p-3f;    // 2/13
  p = p * z + 0x1.745d18p-3f;  // 2/11
  p = p * z + 0x1.c71c72p-3f;  // 2/9
  p = p * z + 0x1.24924ap-2f;  // 2/7
  p = p * z + 0x1.99999ap-2f;  // 2/5
  p = p * z + 0x1.555556p-1f;  // 2/3
  const float n = (float)e;
  // f - s f = 2 s: written so, the large part of the sum is exact.
  const float result = n * 0x1.62e4p-1f + (f - s * (f - z * p) + n * 0x1.7f7d1cp-20f);
  return x > 0 ? (x == INFINITY_ ? x : result) : x == 0 ? -INFINITY_ : __builtin_nanf("");
}

IN float log1p_(float x) {
  const float u = 1.0f + x, d = u - 1.0f;
  return d == 0.0f ? x : u == INFINITY_ ? u : log_(u) * (x / d);
}

IN float sigmoid_(float x) { return 1.0f / (1.0f + exp_(-x)); }
IN float tanh_(float x) { return 2.0f / (1.0f + exp_(-2.0f * x)) - 1.0f; }  // off by 1e-7 at most
IN float silu_slope(float x) {
  const float s = sigmoid_(x);
  return s * (1.0f + x * (1.0f - s));
}
IN float softplus_(float x, float beta, float threshold) {
  return x * beta > threshold ? x : log1p_(exp_(x * beta)) / beta;
}
IN float softplus_slope(float x, float beta, float threshold) {
  const float z = exp_(x * beta);
  return x * beta > threshold ? 1.0f : z / (z + 1.0f);
}

// Memory for what lies between the operations: each thread its own, kept until it ends.
struct Workspace {
  char* memory = nullptr;
  ~Workspace() { __builtin_free(memory); }
  char* get(unsigned long size) {
    if (!memory) memory = (char*)__builtin_malloc(size + 64);
    return (char*)(((unsigned long)memory + 63) & ~63ul);
  }
};
