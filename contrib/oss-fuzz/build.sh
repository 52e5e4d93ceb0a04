#!/bin/bash -eu
# SPDX-License-Identifier: BSD-2-Clause
#
# Builds all fuzz targets as OSS-Fuzz wants them. It sets SRC, OUT, CC, CXX, CFLAGS
# and LIB_FUZZING_ENGINE; to try this elsewhere:
#
#   SRC=$(dirname "$PWD") OUT=/tmp/out CC=clang CXX=clang++ CFLAGS='-O1 -g -fsanitize=address,fuzzer-no-link' \
#       LIB_FUZZING_ENGINE=-fsanitize=fuzzer contrib/oss-fuzz/build.sh

cd "$(dirname "$(readlink -f "$0")")"
[ ! -e ../../configure.ac ] || cd ../..
[ -e configure.ac ] || cd "$SRC/pop3.proxy"
top=$PWD
[ -x configure ] || autoreconf -fi
build=${WORK:-$(mktemp -d)}/pop3.proxy
mkdir -p "$build" "$OUT"
cd "$build"

# The run image has only libc: what is not in the base system is linked into the targets.
"$top/configure" CC="$CC" CFLAGS="$CFLAGS -DFUZZ_ENGINE" --without-microhttpd
libraries='-Wl,-Bstatic -lxxhash -lcdb -lpcre2-8 -liniparser -lev -lcares -lssl -lcrypto -Wl,-Bdynamic -lm -ldl -lpthread'
targets=$(cd "$top/t/fuzz" && ls fuzz_*.c | sed 's/\.c$//')
for target in $targets; do
    # The engine may be written in C++.
    make -j"$(nproc)" PP_CPPFLAGS= CCLD="$CXX" ROUTE_LIBS= INIPARSER_LIBS= EV_LIBS= CARES_LIBS= OPENSSL_LIBS= CMOCKA_LIBS= \
        LIBS="$libraries $LIB_FUZZING_ENGINE" "t/fuzz/$target"
    cp "t/fuzz/$target" "$OUT/"
    rm -f "$OUT/${target}_seed_corpus.zip"
    zip -q -r -j "$OUT/${target}_seed_corpus.zip" "$top/t/fuzz/corpus/${target#fuzz_}"
    if [ -e "$top/t/fuzz/${target#fuzz_}.dict" ]; then
        cp "$top/t/fuzz/${target#fuzz_}.dict" "$OUT/$target.dict"
    fi
done
