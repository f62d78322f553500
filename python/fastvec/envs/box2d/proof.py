"""The scene of cpp/envs/box2d/proof.cpp, stepped by the package's own bindings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

__all__ = ["STEPS", "import_box2d", "play"]

#: Steps of 0.02 s. The bodies fall, touch the ground, and their motor turns round halfway.
STEPS = 60


def import_box2d() -> Any:
    """The module ``Box2D``.

    Its types have no ``__module__``, of which newer versions of Python warn; where warnings are errors, the import
    would end the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import Box2D
    return Box2D


def play() -> np.ndarray:
    """The scene's numbers, float32.

    Per step, for each of the two bodies: position (2), angle, velocity (2), angular velocity, whether it is awake; then
    the joint's angle and speed, how far a ray got and where (2), contacts begun, contacts ended, contacts of the hull.
    """
    Box2D = import_box2d()

    class Contacts(Box2D.b2ContactListener):  # type: ignore[name-defined,misc]
        begun = ended = of_hull = 0

        def BeginContact(self, contact: Any) -> None:
            self.begun += 1
            self.of_hull += hull in (contact.fixtureA.body, contact.fixtureB.body)

        def EndContact(self, contact: Any) -> None:
            self.ended += 1

    class Ray(Box2D.b2RayCastCallback):  # type: ignore[name-defined,misc]
        fraction, point = 1.0, (0.0, 0.0)

        def ReportFixture(self, fixture: Any, point: Any, normal: Any, fraction: float) -> float:
            if fixture.filterData.categoryBits & 1 == 0:
                return -1
            self.fraction, self.point = fraction, tuple(point)
            return fraction

    world = Box2D.b2World(gravity=(0, -10))
    contacts = Contacts()
    world.contactListener = contacts
    ground = world.CreateStaticBody(shapes=Box2D.b2EdgeShape(vertices=[(0, 0), (10, 0)]))
    ground.CreateEdgeFixture(vertices=[(10, 0), (12, 1)], friction=2.5)
    corners = [(-0.5, 0.5), (-0.75, -0.25), (0.75, -0.25), (0.5, 0.5), (0, 0.75)]
    hull = world.CreateDynamicBody(
        position=(5, 2),
        angle=0.125,
        fixtures=Box2D.b2FixtureDef(
            shape=Box2D.b2PolygonShape(vertices=corners), friction=0.1, density=5, categoryBits=0x10, maskBits=1
        ),
    )
    foot = world.CreateDynamicBody(
        position=(5.5, 1.5),
        angle=-0.25,
        fixtures=Box2D.b2FixtureDef(
            shape=Box2D.b2PolygonShape(box=(0.125, 0.5)), density=1, categoryBits=0x20, maskBits=1
        ),
    )
    joint = world.CreateJoint(
        Box2D.b2RevoluteJointDef(
            bodyA=hull,
            bodyB=foot,
            localAnchorA=(0.5, 0),
            localAnchorB=(0, 0.5),
            enableMotor=True,
            enableLimit=True,
            lowerAngle=-0.75,
            upperAngle=0.5,
            motorSpeed=1,
            maxMotorTorque=40,
        )
    )
    hull.ApplyForceToCenter((100, -50), True)
    hull.ApplyTorque(3, True)
    hull.ApplyLinearImpulse((1.5, 2.5), (5.125, 2.25), True)

    numbers: list[float] = []
    last_hit: tuple[float, ...] = (0.0, 0.0)
    for step in range(STEPS):
        if step == STEPS // 2:
            joint.motorSpeed = -2.0
            joint.maxMotorTorque = 20.0
        world.Step(0.02, 180, 60)
        for body in (hull, foot):
            numbers += [*body.position, body.angle, *body.linearVelocity, body.angularVelocity, body.awake]
        ray = Ray()
        x, y = hull.position
        world.RayCast(ray, (x, y), (x + 1, y - 4))
        last_hit = ray.point if ray.fraction < 1 else last_hit
        numbers += [joint.angle, joint.speed, ray.fraction, *last_hit, contacts.begun, contacts.ended, contacts.of_hull]
    return np.array(numbers, np.float32)
