/* fastvec/abi.h: the C table through which the engine drives an environment.
 *
 * This is the whole contract between an env library and the engine. It is plain C: no C++ type, no
 * exception and no Python object crosses it, so a library built with another compiler, another C++
 * standard library or for another Python loads. Authors normally never read it: `fastvec/env.hpp`
 * turns a small class into this table.
 *
 * Versioning. FASTVEC_ABI_MAJOR changes when an old library can no longer be driven; the engine
 * refuses any major but its own. Within a major, whose first minor is 0, the rules are append-only:
 *   - fields are added at the end of a struct that starts with `struct_size`, never removed, reordered or
 *     given a new meaning; `reserved` fields are zero, and become new fields whose zero means "as before";
 *   - `struct_size` is the size that the header of the side that made the struct gave it. The other side
 *     reads no field beyond it and treats what is missing as zero: the engine for fv_plugin, fv_env_type,
 *     fv_kwarg, fv_option, fv_parameter, fv_info_field, fv_spec and fv_space, a library for fv_io. What minor 0 has is
 *     always there;
 *   - structs without `struct_size` (fv_value, fv_rng, fv_range, fv_error) never change within a major;
 *   - arrays of growing structs are arrays of pointers, so that their stride does not depend on a version;
 *   - enumerators are never renumbered; a new kind of space, element or keyword argument, which an older
 *     engine could not serve, means a new major;
 *   - a zero function pointer means "not offered";
 *   - a release that adds anything adds one to FASTVEC_ABI_MINOR. Libraries of any minor load: one that is
 *     newer than the engine does without what the engine does not call.
 * Minor 1 added parameters; minor 2 fv_spec::render_fps, and max_episode_steps and reward_threshold of fv_env_type;
 * minor 3 plain_state_size and plain_state_align of fv_env_type, and fv_io::envs.
 *
 * Threads. The engine calls `step`, `reset` and `observe` of one vector from several threads at once,
 * always on disjoint ranges of envs. All other functions are called by one thread, with no range call
 * under way. `create` may run at the same time for different vectors.
 */
#ifndef FASTVEC_ABI_H
#define FASTVEC_ABI_H

#include <stdint.h>

#define FASTVEC_ABI_MAJOR 1
#define FASTVEC_ABI_MINOR 3

#if defined(_WIN32)
#define FASTVEC_EXPORT __declspec(dllexport)
#else
#define FASTVEC_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Element types of observations, actions and info fields. */
enum {
  FV_BOOL = 0,
  FV_INT8 = 1,
  FV_INT16 = 2,
  FV_INT32 = 3,
  FV_INT64 = 4,
  FV_UINT8 = 5,
  FV_UINT16 = 6,
  FV_UINT32 = 7,
  FV_UINT64 = 8,
  FV_FLOAT32 = 9,
  FV_FLOAT64 = 10
};

enum {
  FV_SPACE_BOX = 0,
  FV_SPACE_DISCRETE = 1,
  FV_SPACE_MULTI_DISCRETE = 2,
  FV_SPACE_MULTI_BINARY = 3,
  FV_SPACE_TUPLE = 4,
  FV_SPACE_DICT = 5
};

/* A space, as in gymnasium.spaces. Leaves (everything but Tuple and Dict) are stored as one
 * row-major array each, in depth-first order of the tree. */
typedef struct fv_space {
  uint32_t struct_size;
  int32_t kind;  /* FV_SPACE_* */
  int32_t dtype; /* leaves: Discrete is always FV_INT64, MultiBinary FV_INT8 */
  int32_t ndim;
  const int64_t* shape; /* Box, MultiDiscrete, MultiBinary: `ndim` extents; Discrete has ndim 0 */
  const void* low;      /* Box: one value of `dtype` per element */
  const void* high;     /* Box: likewise */
  int64_t n;            /* Discrete: number of values */
  int64_t start;        /* Discrete: the smallest value */
  const int64_t* nvec;  /* MultiDiscrete: number of values per element, counted from 0 */
  int64_t num_children; /* Tuple, Dict */
  const struct fv_space* const* children;
  const char* const* keys; /* Dict: one name per child */
} fv_space;

enum {
  FV_KWARG_BOOL = 0,
  FV_KWARG_INT = 1,
  FV_KWARG_FLOAT = 2,
  FV_KWARG_STRING = 3,
  FV_KWARG_INT_LIST = 4,
  FV_KWARG_FLOAT_LIST = 5,
  FV_KWARG_STRING_LIST = 6
};

/* The value of a keyword argument; which member holds it follows from its FV_KWARG_* type.
 * Whoever passes it keeps the memory alive during the call only. */
typedef struct fv_value {
  int64_t i;     /* BOOL (0 or 1), INT */
  double f;      /* FLOAT */
  const char* s; /* STRING, UTF-8 with a final zero */
  int64_t size;  /* the lists: number of elements */
  const int64_t* ints;
  const double* floats;
  const char* const* strings;
} fv_value;

typedef struct fv_kwarg {
  uint32_t struct_size;
  int32_t type; /* FV_KWARG_* */
  const char* name;
  const char* doc;
  fv_value default_value; /* memory that lives as long as the library */
} fv_kwarg;

/* A number that `reset(options={name: value})` understands. */
typedef struct fv_option {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;
  const char* doc;
} fv_option;

/* Minor 1. A number that can be set for each env of a vector after it was made, as `set_attr` does. */
typedef struct fv_parameter {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;
  const char* doc;
} fv_parameter;

/* A field of the info dictionary: one row per env and a mask that says which rows were written.
 * Two fields may share a name and differ in dtype; the first env that writes one decides the dtype
 * of the batch, as in Gymnasium. */
typedef struct fv_info_field {
  uint32_t struct_size;
  int32_t dtype;
  const char* name;
  int32_t ndim;
  int32_t reserved;
  const int64_t* shape;
} fv_info_field;

/* What a vector looks like once its keyword arguments are known. Owned by the vector. */
typedef struct fv_spec {
  uint32_t struct_size;
  uint32_t reserved;
  const fv_space* observation_space;
  const fv_space* action_space;
  int64_t max_episode_steps; /* 0: no time limit */
  double reward_threshold;   /* NaN: none */
  int64_t num_info_fields;
  const fv_info_field* const* info_fields;
  int64_t state_size;    /* bytes per env that `save` writes; -1: differs from env to env */
  int32_t render_height; /* pixels of the RGB picture; 0: the env does not draw */
  int32_t render_width;
  int32_t accepts_float64_actions; /* 1: float32 Box actions may also come as float64 (see fv_io) */
  int32_t render_fps;              /* minor 2: pictures per second at the env's own pace; 0: not said */
} fv_spec;

/* State of NumPy's PCG64, one per env, owned by the engine. */
typedef struct fv_rng {
  uint64_t state_high, state_low;
  uint64_t increment_high, increment_low;
  uint32_t has_uint32; /* 1: `uint32` holds the unused high half of the last 64-bit draw */
  uint32_t uint32;
} fv_rng;

/* What went wrong inside an env; decides which Python exception is raised. */
enum {
  FV_OK = 0,
  FV_ERROR = 1,            /* fastvec.EnvError (a RuntimeError) */
  FV_INVALID_ARGUMENT = 2, /* a ValueError: a bad keyword argument or reset option */
  FV_OUT_OF_RANGE = 3      /* an OverflowError: one that is too large, or not finite; otherwise like the last */
};

/* Where a range call reads and writes. Base pointers; the row of env `first` is given by fv_range. */
typedef struct fv_io {
  uint32_t struct_size;
  int32_t actions_are_float64;   /* 1: Box leaves declared float32 hold float64 in this call */
  const void* const* actions;    /* per action leaf; null in reset and observe */
  void* const* observations;     /* per observation leaf */
  double* rewards;               /* step only */
  uint8_t* terminated;           /* step only, 0 or 1 */
  uint8_t* truncated;            /* step only; the engine adds the time limit */
  void* const* info;             /* per info field; null in observe */
  uint8_t* const* info_mask;     /* per info field: set to 1 where the row was written */
  fv_rng* rngs;                  /* indexed by env, not by row */
  const double* option_values;   /* reset only, per declared option */
  const uint8_t* option_present; /* reset only; null: no options were given */
  void* report_context;
  /* Reports that env `env` failed (code FV_ERROR or FV_INVALID_ARGUMENT). The call then goes on with
   * the next env: one bad env never costs the others their step. */
  void (*report)(void* context, int64_t env, int32_t code, const char* message);
  /* Null, or one byte per env (indexed by env, not by row): 1 where this turn is a reset. Then `reset` touches
   * no others, and `step` need not step these: whatever it makes of them and of their rows is thrown away, but it
   * draws nothing from their generators and reports nothing of them. */
  const uint8_t* resetting;
  /* Minor 3. Null, or the states of this call's envs in the caller's memory, aligned to plain_state_align and
   * plain_state_size bytes each, indexed by env: they are stepped, reset and observed in place of the vector's own, of
   * which there may be fewer. Only for types with a plain_state_size. Calls of one vector with different states may run
   * at once. */
  void* envs;
} fv_io;

typedef struct fv_range {
  int64_t first, last; /* envs [first, last) */
  int64_t action_row;  /* row of env `first` in the action arrays */
  int64_t output_row;  /* row of env `first` in all other arrays */
} fv_range;

typedef struct fv_error {
  int32_t code;
  int32_t reserved;
  char message[1016];
} fv_error;

/* An env type: a static table. `vector` is what `create` made: all envs of one vector and what they
 * share. */
typedef struct fv_env_type {
  uint32_t struct_size;
  uint32_t reserved;
  const char* id; /* "Name-v0" */
  int64_t num_kwargs;
  const fv_kwarg* const* kwargs;
  int64_t num_options;
  const fv_option* const* options;
  /* Makes `num_envs` envs of this type, not yet reset; one fv_value per declared kwarg, in order.
   * Null and `error` filled in if it cannot. */
  void* (*create)(const struct fv_env_type* type, const fv_value* kwargs, int64_t num_envs, fv_error* error);
  void (*destroy)(void* vector);
  const fv_spec* (*spec)(void* vector);
  /* Refuses bad reset options before any env is touched (FV_OK or a code with `error` filled in). */
  int32_t (*check_options)(void* vector, const double* values, const uint8_t* present, fv_error* error);
  void (*reset)(void* vector, const fv_range* range, const fv_io* io);
  void (*step)(void* vector, const fv_range* range, const fv_io* io);
  /* Writes the current observations again: the ones that the last reset or step wrote. */
  void (*observe)(void* vector, const fv_range* range, const fv_io* io);
  /* The state of one env, as bytes. `save` hands pieces to `write`. Both return FV_OK or a code. */
  int32_t (*save)(void* vector, int64_t env, void* context,
                  void (*write)(void* context, const void* data, int64_t size), fv_error* error);
  int32_t (*load)(void* vector, int64_t env, const void* data, int64_t size, fv_error* error);
  /* Draws env `env` as render_height x render_width x 3 bytes. */
  int32_t (*render)(void* vector, int64_t env, uint8_t* pixels, fv_error* error);
  int64_t (*bytes_per_env)(void* vector); /* memory of one env's state, for reports */

  /* Minor 1. Parameters are not part of what `save` writes. */
  int64_t num_parameters;
  const fv_parameter* const* parameters;
  double (*get_parameter)(void* vector, int64_t env, int64_t parameter);
  /* FV_OK, or a code with `error` filled in and nothing changed. */
  int32_t (*set_parameter)(void* vector, int64_t env, int64_t parameter, double value, fv_error* error);

  /* Minor 2. What is registered with the id, so that it is known without making a vector, which runs the author's code.
   * The time limit of a vector is that of its fv_spec: it may depend on the keyword arguments. */
  int64_t max_episode_steps; /* 0: none */
  double reward_threshold;   /* NaN: none */

  /* Minor 3. Of an env whose state is plain: all of it lies in these bytes, which may be copied to anywhere. It is what
   * `save` writes. 0: it is not. */
  int64_t plain_state_size;
  int64_t plain_state_align;
} fv_env_type;

typedef struct fv_plugin {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  const char* name;
  int64_t num_envs;
  const fv_env_type* const* envs;
} fv_plugin;

/* The one symbol that an env library exports. */
typedef const fv_plugin* (*fastvec_plugin_function)(void);
#define FASTVEC_PLUGIN_SYMBOL "fastvec_plugin_v1"

#ifdef __cplusplus
}
#endif

#endif /* FASTVEC_ABI_H */
