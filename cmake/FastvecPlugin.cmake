# fastvec_add_plugin(name sources...): an env library that fastvec can load.
#
# The flags keep floating-point results equal to NumPy's: no fused multiply-add where the source has none,
# and pow(x, 2) stays a call of pow. They cost nothing measurable; link fastvec::sdk yourself to do without.
function(fastvec_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE fastvec::sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX ""
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(MSVC)
    target_compile_options(${name} PRIVATE /fp:precise)
  else()
    target_compile_options(${name} PRIVATE -ffp-contract=off -fno-builtin-pow)
  endif()
endfunction()

function(fastvec_warnings target)
  if(NOT MSVC)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow)
  endif()
endfunction()
