# SPDX-License-Identifier: BSD-2-Clause
#
# The metrics as Prometheus reads them: promtool has no complaint, and numbers of sessions, TLS and processes follow
# what happens.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process qw(installed);

sub metrics { my ($master) = @_; return run([ program(), '-f', $master->{path}, 'metrics' ], limit => 30)->{out} }

# The value of a metric with these labels.
sub value { my ($text, $metric) = @_; my ($value) = $text =~ /^pop3_proxy_\Q$metric\E (\S+)$/m; return $value }

scene 'metrics follow sessions and processes' => sub {
    my $server = server();
    my $master = master(server => $server->address, workers => 3);
    my $client = $master->client->login('anna');
    $client->quit;
    $master->session_of($client);
    my $text;
    ok wait_until(sub { $text = metrics($master); value($text, 'session_seconds_count{instance="main"}') }), 'the length of the session is counted';
    is value($text, 'session_seconds_bucket{instance="main",le="1"}') + 0 <= 1, 1, 'in buckets from a second';
    ok defined value($text, 'session_seconds_bucket{instance="main",le="30000"}'), 'to hours';
    is value($text, 'tls_handshakes_total{instance="main",side="client",version="TLSv1.3"}'), 0, 'no TLS';
    cmp_ok value($text, qq(process_private_memory_bytes{process="$_"})), '>', 4096, "memory: $_" for qw(master status workers);
    my $descriptors = value($text, 'process_open_descriptors{process="master"}');
    is $descriptors, scalar(() = glob '/proc/' . $master->pid . '/fd/*'), 'descriptors of the master' if defined $descriptors;
};

scene 'promtool accepts the metrics' => sub {
    installed('promtool') or plan(skip_all => 'promtool is not installed');
    my $master  = master(server => server()->address);
    my $checked = run([ 'sh', '-c', '"$0" -f "$1" metrics | promtool check metrics', program(), $master->{path} ], limit => 60);
    is exit_code($checked->{status}), 0, 'promtool accepts them' or diag($checked->{out} . $checked->{err});
    is $checked->{out} . $checked->{err}, '', 'and has no advice';
};

done;
