// Envs with one planted fault each, and one without.
#include <fastvec/env.hpp>

#include "memory.hpp"
#include "processes.hpp"
#include "states.hpp"
#include "surroundings.hpp"
#include "values.hpp"
#include "walker.hpp"

using namespace broken;
using fastvec::env;

FASTVEC_PLUGIN("broken", env<Walker>("broken/None-v0"), env<NanObservation>("broken/NanObservation-v0"),
               env<OutOfBounds>("broken/OutOfBounds-v0"), env<InfiniteReward>("broken/InfiniteReward-v0"),
               env<ThrowsAtCorner>("broken/ThrowsAtCorner-v0"), env<Throws>("broken/Throws-v0"),
               env<GlobalRandom>("broken/GlobalRandom-v0"), env<Leftover>("broken/Leftover-v0"),
               env<IgnoresSeed>("broken/IgnoresSeed-v0"), env<Neighbours>("broken/Neighbours-v0"),
               env<PerThread>("broken/PerThread-v0"), env<ObserveCounts>("broken/ObserveCounts-v0"),
               env<ForgetsMember>("broken/ForgetsMember-v0"), env<LoadsMore>("broken/LoadsMore-v0"),
               env<Pointer>("broken/Pointer-v0"), env<Address>("broken/Address-v0"),
               env<RestForgotten>("broken/RestForgotten-v0"), env<BadPicture>("broken/BadPicture-v0"),
               env<RenderThrows>("broken/RenderThrows-v0"), env<Allocates>("broken/Allocates-v0"),
               env<NanInfo>("broken/NanInfo-v0"), env<WritesBefore>("broken/WritesBefore-v0"),
               env<WritesBehind>("broken/WritesBehind-v0"), env<WritesBehindInfo>("broken/WritesBehindInfo-v0"),
               env<OneTooFar>("broken/OneTooFar-v0"), env<WritesToNeighbour>("broken/WritesToNeighbour-v0"),
               env<NotWritten>("broken/NotWritten-v0"), env<Crashes>("broken/Crashes-v0"),
               env<Aborts>("broken/Aborts-v0"), env<Exits>("broken/Exits-v0"), env<Hangs>("broken/Hangs-v0"),
               env<CrashesLate>("broken/CrashesLate-v0"), env<ThrowsLate>("broken/ThrowsLate-v0"),
               env<NanLate>("broken/NanLate-v0"), env<ForgetsLate>("broken/ForgetsLate-v0"),
               env<EmptyMask>("broken/EmptyMask-v0"), env<NarrowMask>("broken/NarrowMask-v0"),
               env<Clock>("broken/Clock-v0"), env<ProcessId>("broken/ProcessId-v0"), env<Scratch>("broken/Scratch-v0"),
               env<Sleeps>("broken/Sleeps-v0"))
