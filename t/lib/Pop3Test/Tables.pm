# SPDX-License-Identifier: BSD-2-Clause
#
# What the sources say of themselves: the tables in their .def files, and the
# events that they log. A test that knows these from here cannot be forgotten
# when one is added.

package Pop3Test::Tables;

use strict;
use warnings;
use Exporter 'import';
use FindBin;

our @EXPORT_OK = qw(rows events reasons);

my $sources = "$FindBin::Bin/../src";
my %SEVERITY = (ALERT => 1, ERROR => 3, WARNING => 4, NOTICE => 5, INFO => 6);

sub _text {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return <$file>;
}

# What stands between the parentheses of each row of a table: rows('config/x.def', 'KEY').
sub rows {
    my ($path, $macro) = @_;
    return _text("$sources/$path") =~ /^$macro\((.*)\)$/mg;
}

# reason => { level, severity, reply }; reply is undef where nothing is said.
sub reasons {
    my %reason;
    for my $row (rows('session/outcome.def', 'OUTCOME')) {
        my ($reason, $level, $reply) = $row =~ /\A\w+, "([^"]+)", (\w+), (?:NULL|"(.*)")\z/ or die "outcome.def: $row\n";
        $reason{$reason} = { level => lc $level, severity => $SEVERITY{$level}, reply => $reply };
    }
    return %reason;
}

# event => { level => severity, ... }, from all calls that log one. A level or an
# event that is a variable stands for all that the file gives it.
sub events {
    my %event = (session => { map { $_->{level} => $_->{severity} } values %{ { reasons() } } });
    for my $path (glob "$sources/*/*.c") {
        my $text = _text($path);
        my @variable_levels = $text =~ /\benum log_level level = LOG_LEVEL_(\w+)/g;
        my ($function, $its_level) = $text =~ /^static void (\w+)\([^)]*const char \*event\b[^}]*?LOG_LEVEL_(\w+), event\)/m;
        my @calls = $text =~ /\b(?:session_)?(?:log_message|log_begin)\(([^;"]*?)"([a-z-]+)"/g;
        push @calls, map { ("LOG_LEVEL_$its_level", $_) } $text =~ /\b$function\([^;"]*"([a-z-]+)"/g if $function;
        while (my ($before, $event) = splice @calls, 0, 2) {
            my @levels = $before =~ /LOG_LEVEL_(\w+)/g;
            @levels = @variable_levels if $before =~ /\*level\b/;
            $event{$event}{lc $_} = $SEVERITY{$_} for @levels;
            die "$path: of which level is $event?\n" if !$event{$event};
        }
    }
    return %event;
}

1;
