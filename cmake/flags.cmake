# Compiler flags that every target of ours shares, as the interface library `project_flags`.
add_library(project_flags INTERFACE)
target_compile_options(project_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wformat=2
  -fvisibility=hidden -fno-math-errno -ffp-contract=off)
# -ffp-contract=off: whether a*b+c fuses must not depend on the compiler's mood, or a row's result
# would differ between the one-row and the many-row kernel. Fusing is written out with intrinsics.
target_compile_definitions(project_flags INTERFACE _GNU_SOURCE)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  target_compile_options(project_flags INTERFACE -Wthread-safety)
endif()
if(WERROR)
  target_compile_options(project_flags INTERFACE -Werror)
endif()
if(SANITIZE)
  target_compile_options(project_flags INTERFACE -fsanitize=${SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(project_flags INTERFACE -fsanitize=${SANITIZE})
endif()
