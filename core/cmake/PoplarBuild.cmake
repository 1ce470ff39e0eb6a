# How every Poplar target is built: language, warnings, sanitizers, and the three functions that declare targets.
# A target names its dependencies; the link graph is the layering (tests/lint checks it).

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Without these it keeps nothing that a precompiled header had part in.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

add_library(poplar_options INTERFACE)
target_include_directories(poplar_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(poplar_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wimplicit-fallthrough
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual> -fno-omit-frame-pointer $<$<BOOL:${POPLAR_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns falsely about std::string and about frames of coroutines (gcc bugs 105329, 105651, 95137).
  target_compile_options(poplar_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overread
    -Wno-stringop-overflow -Wno-array-bounds -Wno-dangling-pointer)
elseif(NOT POPLAR_FAST_BUILD)
  # What libstdc++ calls deprecated and uses itself, in std::stable_sort.
  target_compile_options(poplar_options INTERFACE -Wno-deprecated-declarations)
endif()
if(POPLAR_SANITIZE)
  # The check of vptr asks by a pipe what memory may be read, so it is wrong in a process that has no descriptors left:
  # tests make such ones.
  target_compile_options(poplar_options INTERFACE -fsanitize=${POPLAR_SANITIZE} -fno-sanitize=vptr
    -fno-sanitize-recover=all)
  target_link_options(poplar_options INTERFACE -fsanitize=${POPLAR_SANITIZE})
endif()
if(POPLAR_FUZZ)
  target_compile_options(poplar_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core pull)
find_package(tomlplusplus REQUIRED)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(libcrypt REQUIRED IMPORTED_TARGET libcrypt)
pkg_check_modules(libargon2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(libidn REQUIRED IMPORTED_TARGET libidn)
pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(libseccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(ldap REQUIRED IMPORTED_TARGET ldap lber)
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(libmariadb REQUIRED IMPORTED_TARGET libmariadb)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(cjose REQUIRED IMPORTED_TARGET cjose)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)

if(POPLAR_FAST_BUILD)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(poplar_pch_options $<$<BOOL:${CCACHE_PROGRAM}>:-fpch-preprocess>)
  else()
    # Without the first ccache finds nothing again. Of what libstdc++ uses itself clang says so when it comes this way.
    set(poplar_pch_options "SHELL:-Xclang -fno-pch-timestamp" -Wno-deprecated-declarations)
  endif()
  # One for libraries, one for programs, whose code the compiler makes differently.
  add_library(poplar_pch OBJECT core/cmake/pch.cc)
  add_executable(poplar_test_pch core/cmake/pch.cc)
  foreach(kind IN ITEMS pch test_pch)
    target_link_libraries(poplar_${kind} PRIVATE poplar_options)
    target_compile_options(poplar_${kind} PRIVATE ${poplar_pch_options})
    target_precompile_headers(poplar_${kind} PRIVATE core/cmake/${kind}.h)
  endforeach()
  target_link_libraries(poplar_test_pch PRIVATE GTest::gmock_main)
  target_compile_options(poplar_test_pch PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
endif()

# Headers that are compiled once for all targets, where that is wanted.
function(poplar_use_pch name kind)
  if(POPLAR_FAST_BUILD)
    target_precompile_headers(${name} REUSE_FROM poplar_${kind})
    target_compile_options(${name} PRIVATE ${poplar_pch_options})
  endif()
endfunction()

# A dozen of the target's sources compiled as one: what they include, and the templates that they use alike, cost most.
# A name in their anonymous namespaces is there once then.
function(poplar_join name)
  if(POPLAR_FAST_BUILD)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
  endif()
endfunction()

# For what takes long to compile and does not to run: commands, start and stop.
function(poplar_cold name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
endfunction()

# For tests: a release build of their code costs more than all of the server's, and what they test is optimised.
function(poplar_unoptimised name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
endfunction()

# poplar_library(NAME SOURCES a.cc ... [DEPS target ...] [PRIVATE_DEPS target ...])
function(poplar_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC poplar_options ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
    poplar_use_pch(${name} pch)
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE poplar_options ${arg_DEPS})
  endif()
endfunction()

# All plug-ins; with `poplar` what `cmake --install` needs.
add_custom_target(poplar_plugins)

# poplar_plugin(NAME SOURCES a.c ... [DEPS target ...]): an authentication plug-in, NAME.so, that exports its entry and
# nothing else.
function(poplar_plugin name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(poplar_plugin_${name} MODULE ${arg_SOURCES})
  target_link_libraries(poplar_plugin_${name} PRIVATE poplar_options ${arg_DEPS})
  target_link_options(poplar_plugin_${name} PRIVATE LINKER:--exclude-libs,ALL)
  set_target_properties(poplar_plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  add_dependencies(poplar_plugins poplar_plugin_${name})
  install(TARGETS poplar_plugin_${name} LIBRARY DESTINATION lib/poplar COMPONENT ${name})
endfunction()

# poplar_test(NAME SOURCES a.cc ... [DEPS target ...] [TIMEOUT_S n]): one gtest binary, one ctest entry.
function(poplar_test name)
  cmake_parse_arguments(arg "" "TIMEOUT_S" "SOURCES;DEPS" ${ARGN})
  if(NOT arg_TIMEOUT_S)
    set(arg_TIMEOUT_S 1200)  # Unoptimised, sanitised and beside three others, one takes five minutes.
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE poplar_options ${arg_DEPS} GTest::gmock_main)
  poplar_use_pch(${name} test_pch)
  poplar_unoptimised(${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT_S})
endfunction()

# poplar_fuzz(NAME SOURCES a.cc ... [DEPS target ...]): a libFuzzer target under the `fuzz` preset; everywhere else a
# replayer of its corpus (folder `corpus` beside the CMakeLists), run by ctest.
function(poplar_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE poplar_options ${arg_DEPS})
  if(POPLAR_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name} COMMAND ${name} -runs=0 ${CMAKE_CURRENT_SOURCE_DIR}/corpus)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS fuzz)
endfunction()
