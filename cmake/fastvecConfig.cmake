# find_package(fastvec): the target fastvec::sdk and the function fastvec_add_plugin, from an installed wheel.
# Point CMake here with -Dfastvec_DIR=$(python -c "import fastvec; print(fastvec.get_cmake_dir())"); the package that
# `fastvec new` writes finds it by itself.
if(NOT TARGET fastvec::sdk)
  add_library(fastvec::sdk INTERFACE IMPORTED)
  get_filename_component(_fastvec_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
  set_target_properties(fastvec::sdk PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_fastvec_include}"
    INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
include("${CMAKE_CURRENT_LIST_DIR}/FastvecPlugin.cmake")
