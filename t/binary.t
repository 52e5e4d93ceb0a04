# SPDX-License-Identifier: BSD-2-Clause
#
# The program file: position independent, with read-only relocations, stack protector, fortified
# library calls, no executable stack, and control-flow protection where the machine has it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

my $readelf = installed('readelf');
plan(skip_all => 'readelf is not installed')  if !$readelf;
plan(skip_all => 'a build with sanitizers')   if is_sanitized();

sub elf { return run([ $readelf, '-W', @_, program() ])->{out} }

my $symbols = elf('--dyn-syms');
my $dynamic = elf('-d');
my $headers = elf('-l');

like elf('-h'), qr/Type:\s+DYN/, 'position independent';
like $headers, qr/INTERP/, 'and a program';
like $headers, qr/GNU_RELRO/, 'RELRO';
like $dynamic, qr/BIND_NOW|FLAGS.*\bNOW\b/, 'all symbols bound at the start: full RELRO';
like $symbols, qr/__stack_chk_fail/, 'stack protector';
my ($stack) = $headers =~ /GNU_STACK\s+(.*)/;
unlike $stack // 'E', qr/\bRWE\b|^E$/, 'no executable stack';
unlike $headers, qr/^\s*LOAD.*\bRWE\b/m, 'nothing both writable and executable';
unlike $dynamic, qr/TEXTREL/, 'no relocations in the code';
unlike $dynamic, qr/\((?:RPATH|RUNPATH)\)/, 'no path for libraries';
SKIP: {
    skip 'not optimised, so not fortified', 1 if ($ENV{POP3_PROXY_CFLAGS} // '') =~ /-O0/;
    like $symbols, qr/__\w+_chk\b(?<!__stack_chk)/, 'fortified calls';
}
unlike $symbols, qr/\s(?:gets|strcpy|strcat|sprintf|vsprintf|strtok|tmpnam|mktemp|system|popen|syslog|vsyslog)(?:@|\s|$)/m,
    'no call to an unsafe function';
SKIP: {
    skip 'another machine', 1 if (elf('-h') =~ /Machine:\s+(.*)/)[0] !~ /X86-64/;
    # The file lacks the note if the start files of the C library lack it.
    my $landings = () = read_file(program()) =~ /\xf3\x0f\x1e\xfa/g;
    cmp_ok $landings, '>=', 50, 'control-flow protection: functions begin with a landing pad';
}

done;
