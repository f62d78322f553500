// np.sign of a number that is not NaN.
#pragma once

namespace box2d_envs {

inline double sign(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0; }

}  // namespace box2d_envs
