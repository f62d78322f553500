"""What the keyword arguments of the MuJoCo envs mean, for ``fastvec list``."""

from __future__ import annotations

__all__ = ["ARGUMENT_DOCS"]

ARGUMENT_DOCS = {
    "xml_file": "the model: a file that comes with Gymnasium, or a path of your own",
    "frame_skip": "simulation steps per env step",
    "default_camera_config": "where the camera of the pictures is",
    "forward_reward_weight": "reward per unit of velocity in the x direction",
    "ctrl_cost_weight": "cost per squared unit of control",
    "contact_cost_weight": "cost per squared unit of contact force",
    "contact_cost_range": "the cost of contact is clipped to this",
    "contact_force_range": "contact forces are clipped to this",
    "use_contact_forces": "contact forces are observed, and cost",
    "healthy_reward": "reward of each step in a healthy state",
    "terminate_when_unhealthy": "an episode ends with the first state that is not healthy",
    "healthy_state_range": "healthy: every element of the state but the first two is inside",
    "healthy_z_range": "healthy: the torso's height is inside",
    "healthy_angle_range": "healthy: the torso's angle is inside, in radians",
    "reset_noise_scale": "size of the noise on the state that an episode starts from",
    "exclude_current_positions_from_observation": "leave the position on the ground out, since nothing depends on it",
    "include_cinert_in_observation": "observe the inertia of each body",
    "include_cvel_in_observation": "observe the velocity of each body",
    "include_qfrc_actuator_in_observation": "observe the force of each actuator",
    "include_cfrc_ext_in_observation": "observe the contact force on each body",
    "main_body": "the body whose velocity counts, by number or name",
    "uph_cost_weight": "reward per unit of height",
    "impact_cost_weight": "cost per squared unit of contact force",
    "impact_cost_range": "the cost of impact is clipped to this",
    "reward_near_weight": "cost per unit of distance between fingertip and object",
    "reward_dist_weight": "cost per unit of distance to the goal",
    "reward_control_weight": "cost per squared unit of control",
}
