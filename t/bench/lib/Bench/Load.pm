# SPDX-License-Identifier: BSD-2-Clause
#
# Runs the load generator and reads its result.
package Bench::Load;

use strict;
use warnings;
use Bench::Process;
use Bench::System qw(slurp);
use JSON::PP ();

# Starts the load generator for this port, with pipes.
sub start_load {
    my ($stage, $port, $cores, @arguments) = @_;
    push @arguments, '--tls-ca', $stage->{ca}, '--tls-name', 'pop3.bench'
        if grep { /^--tls/ } @arguments;
    return Bench::Process->spawn(name => 'load', pipes => 1, cores => $cores->{rest},
        log => "$stage->{dir}/load.log",
        argv => ["$stage->{opt}{programs}/pop3_load", '--with-parent',
                 '--connect', "127.0.0.1:$port", @arguments]);
}

# The JSON object of the load generator, or one with an error.
sub load_result {
    my ($stage, $load, $limit) = @_;
    my $line = $load->line($limit);
    $load->stop;
    my $found = defined $line ? eval { JSON::PP->new->decode($line) } : undef;
    return $found if $found;
    my $log = slurp("$stage->{dir}/load.log") || '';
    $log =~ s/\s+/ /g;
    return {sessions => 0, errors => 1, first_error => "no result from pop3_load: $log",
            seconds => 0, octets => 0, latency_ms => {}, tls => {},
            cpu_s => {user => 0, system => 0}};
}

# Starts it and reads its result. set: limit, in seconds.
sub run_load {
    my ($stage, $port, $cores, $set, @arguments) = @_;
    return load_result($stage, start_load($stage, $port, $cores, @arguments), $set->{limit});
}

1;
