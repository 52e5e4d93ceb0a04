# SPDX-License-Identifier: BSD-2-Clause
#
# Messages and missing packages, for quickstart and check. A bash script sets
# `program` and `top` and then sources this file.

say() { printf '%s: %s\n' "$program" "$*"; }

# One line: what failed, and how to mend it.
die() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# make cannot work in a directory whose path has a blank.
check_path() {
    case $top in
    *[[:space:]]*) die "there is a blank in the path $top, which make cannot handle; move the tree" ;;
    esac
}

has() { command -v "$1" >/dev/null 2>&1; }

is_debian() { has apt-get && has dpkg-query; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Prints the packages that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
        *' ok installed') ;;
        *) printf '%s\n' "$package" ;;
        esac
    done
}

# Prints the packages that configure requires, as it names them itself.
library_packages() {
    sed -n 's/.*PP_NEEDS(\[[^]]*], *\[\([^]]*\)]).*/\1/p' "$top/configure.ac" | sort -u
}

# Prints the packages that configure can do without; each brings a kind of routing, or the filter of system calls.
optional_packages() {
    sed -n 's/^PP_OPTIONAL(.*\[\([a-z0-9-]*\)\])$/\1/p' "$top/configure.ac" | sort -u
}

# Prints the packages that make the configure script; a release tarball has the script.
autotools_packages() {
    [ -x "$top/configure" ] && [ ! -e "$top/.git" ] || printf '%s\n' autoconf automake autoconf-archive
}

# ---- installing without starting services ----

policy=/usr/sbin/policy-rc.d
policy_mark='# Temporary, by pop3.proxy: no service starts while packages are installed.'

# Debian starts a service when its package is installed; a mail server on the
# usual ports is not what was asked for. A policy that exists is left alone,
# unless it is one that a killed run of ours left behind.
hold_services() {
    if [ -e "$policy" ] && ! grep -qsF "$policy_mark" "$policy"; then
        return
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null &&
        as_root chmod 755 "$policy"
}

release_services() {
    if grep -qsF "$policy_mark" "$policy"; then
        as_root rm -f "$policy"
    fi
}

# What was installed just now for our use need not start with the system
# either.
disable_services() {
    local package services=''
    for package in "$@"; do
        case $package in
        fail2ban) services="$services fail2ban.service" ;;
        prometheus) services="$services prometheus.service" ;;
        dovecot-core) services="$services dovecot.service dovecot.socket" ;;
        stunnel4) services="$services stunnel4.service stunnel.target" ;;
        xinetd) services="$services xinetd.service" ;;
        esac
    done
    if [ -n "$services" ] && has systemctl; then
        # shellcheck disable=SC2086
        as_root systemctl disable $services >/dev/null 2>&1
        say "these services stay disabled:$services (systemctl enable undoes this)"
    fi
    return 0
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Use-Pty=0 --no-install-recommends "$@"
}

# install_packages LOG PACKAGE...: installs those that are missing.
install_packages() {
    local log=$1 missing status=0
    shift
    missing=$(missing_packages "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ] && ! has sudo; then
        die "not root, and there is no sudo; as root, run: apt-get install $missing"
    fi
    say "installing: $missing"
    trap 'release_services; exit 1' HUP INT TERM
    hold_services
    # shellcheck disable=SC2086
    { apt update && apt install $missing; } </dev/null >"$log" 2>&1 || status=$?
    release_services
    trap - HUP INT TERM
    if [ "$status" -ne 0 ]; then
        tail -n 15 "$log" >&2
        die "apt-get failed, see $log; mend that, or run: apt-get install $missing"
    fi
    # shellcheck disable=SC2086
    disable_services $missing
}
