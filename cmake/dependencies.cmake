# Every library the project stands on; ./quickstart installs the Debian packages named here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)            # libuv1-dev
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)         # libcjson-dev
find_package(ZLIB REQUIRED)                                        # zlib1g-dev
find_package(CURL REQUIRED)                                        # libcurl4-openssl-dev
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)       # libsodium-dev
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)         # libsqlite3-dev
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)       # libpcre2-dev
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)   # libutf8proc-dev

# llhttp ships as source in node-llhttp, so that strict mode can be chosen here: the packaged
# default is lenient and takes requests that two servers read differently.
find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp /usr/include)
find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp)
if(NOT LLHTTP_INCLUDE OR NOT LLHTTP_SOURCE)
  message(FATAL_ERROR "llhttp's sources were not found: install node-llhttp")
endif()
add_library(llhttp OBJECT ${LLHTTP_SOURCE}/api.c ${LLHTTP_SOURCE}/http.c ${LLHTTP_SOURCE}/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE})
target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
target_compile_options(llhttp PRIVATE -w -O2)
