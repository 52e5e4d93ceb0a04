# SPDX-License-Identifier: BSD-2-Clause
#
# What an operator learns from a server when something is wrong with it: the commands that ask it
# work with a broken file, a reload that failed is shown, and so is what a pool carries now.

use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process ();

# Runs one of the commands on the server's file.
sub command {
    my ($master, @words) = @_;
    return run([ program(), '-f', $master->{path}, @words ]);
}

scene 'asking needs no more of the file than the control socket' => sub {
    my $master  = master(server => server()->address);
    my $control = $master->{keys}{control};
    my $text    = read_file($master->{path});
    my %broken = (
        'an unknown key'            => "$text\nwrokers = 3\n",
        'a line without a key'      => "$text\nnonsense\n",
        'an unknown section'        => "$text\n[instnace x]\nlisten = 127.0.0.1:1\n",
        'a user that was removed'   => $text =~ s/^(\[proxy\]\n)/$1user = nobody-here\n/mr,
        'a certificate that is not' => "$text\ntls = stls\ntls_certificate = /no/such/file\n",
        'no instance'               => "[proxy]\ncontrol = $control\n",
    );
    for my $name (sort keys %broken) {
        write_file($master->{path}, $broken{$name});
        isnt exit_code(run([ program(), '-T', '-f', $master->{path} ])->{status}), 0, "$name: the file is refused" or next;
        my $result = command($master, 'status', '--json');
        is exit_code($result->{status}), 0, "$name: status answers" or diag $result->{err};
        is decode_json($result->{out} || '{}')->{pid}, $master->pid, "$name: the right server";
        is $result->{err}, '', "$name: without a complaint";
    }
    write_file($master->{path}, "[proxy]\ncontrol = relative\n");
    my $result = command($master, 'metrics');
    is exit_code($result->{status}), 78, 'a mistake in control itself';
    like $result->{err}, qr/\Apop3\.proxy: \S+:2: control = relative: [^\n]+\n\z/, 'in one line';
    unlink $master->{path} or die $!;
    $result = command($master, 'status');
    is exit_code($result->{status}), 78, 'no file';
    like $result->{err}, qr/\Apop3\.proxy: \Q$master->{path}\E: [^\n]*No such file or directory\n\z/, 'in one line';
    for my $command ([qw(status)], [qw(status --json)], [qw(metrics)]) {
        $result = run([ program(), '--control', $control, @$command ]);
        is exit_code($result->{status}), 0, "--control PATH @$command" or diag $result->{err};
        like $result->{out}, qr/@{[ $master->pid ]}|pop3_proxy_info/, 'answers';
    }
    $result = run([ program(), '-f', $master->{path}, '--control', $control, 'status' ]);
    is exit_code($result->{status}), 0, 'it replaces what the file says';
    $result = run([ program(), '--control', $control, 'sattus' ]);
    is exit_code($result->{status}), 64, 'an unknown command';
};

# A worker with many sessions is idle for the pool as long as it has a free place. People want to know how
# many sessions there are.
scene 'what a pool carries now' => sub {
    my $server = server();
    my %pool   = (server => $server->address, workers => 1, max_workers => 2, max_per_ip => 0);
    for my $case ([ 1, 2, 2, 2 ], [ 64, 30, 1, 128 ]) {
        my ($per_worker, $count, $busy, $places) = @$case;
        my $master  = master(%pool, sessions_per_worker => $per_worker);
        my @clients = map { $master->client->login } 1 .. $count;
        my $status  = $master->shows(sub { @{ $_[0]{sessions} } == $count });
        my $shown   = $status->{instances}[0]{pools}[0];
        is $shown->{busy}, $busy, "$per_worker a worker: busy workers";
        is $shown->{idle} + $shown->{starting}, 0, 'others' if $count == 2;
        is $shown->{sessions}, $count, 'sessions';
        is $shown->{places}, $places, 'places';
        my $metrics = $master->ask('metrics');
        like $metrics, qr/^pop3_proxy_current_sessions\{instance="\w+"\} $count$/m, 'metrics: sessions';
        like $metrics, qr/^pop3_proxy_session_places\{instance="\w+"\} $places$/m, 'metrics: places';
        like $master->ask('status'), qr/^INSTANCE .* BUSY .* SESSIONS  PLACES\n\S.* $busy .* $count +$places$/m, 'the table';
        $_->quit for @clients;
        ok $master->shows(sub { my $now = $_[0]{instances}[0]{pools}[0]; $now->{busy} == 0 && $now->{sessions} == 0 }), 'and none';
    }
};

done;
