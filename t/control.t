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
use IO::Socket::UNIX;
use Pop3Test::Loop qw(watch_read);
use Pop3Test::Process ();
use Pop3Test::Slow qw(drip);
use Pop3Test::Stream;

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

# A control socket that another program holds, which does what `$does` does with each connection.
sub impostor {
    my ($does) = @_;
    my $path     = directory(0755) . '/control';
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 8) or die "$path: $!\n";
    my @taken;
    watch_read($listener, sub {
        my $socket = $listener->accept or return;
        my $stream = Pop3Test::Stream->new($socket, name => 'impostor');
        push @taken, $stream;
        $stream->{on_input} = sub { $does->($stream) if $stream->{all} =~ /\n/ && !$stream->{is_answered}++ };
    });
    return { path => $path, keep => [ $listener, \@taken ] };
}

scene 'a control socket that another program holds' => sub {
    my $ask = sub {
        my ($impostor, @words) = @_;
        my $result = run([ program(), '--control', $impostor->{path}, @words ], limit => 120);
        return exit_code($result->{status}) . " $result->{out}$result->{err}" =~ s/\Q$impostor->{path}\E/PATH/r;
    };
    my $silent = impostor(sub { });
    is $ask->($silent, $_->@*), "69 pop3.proxy: control = PATH: nothing answers within 10 s; does another program hold the socket?\n", "$_->[0]: silence"
        for ['status'], [qw(trace anna --for 2s)];
    my $drips = impostor(sub { drip($_[0], 'x', 0.2) });
    is $ask->($drips, 'status'), "69 pop3.proxy: control = PATH: the answer does not end in time; does another program hold the socket?\n", 'status: octet by octet';
    like $ask->($drips, qw(trace anna --for 1s)), qr/\A69 x+pop3\.proxy: the time is over, but the server does not end the trace\n\z/, 'trace: octet by octet';
    my $colours = impostor(sub { my ($stream) = @_; $stream->send("\e[31mred\r\x{c2}\x{9b}\n"); $stream->close_when_sent });
    is $ask->($colours, 'status'), "0 ?[31mred???\n", 'status: nothing that a terminal obeys';
    is $ask->($colours, qw(trace anna --for 1s)), "69 ?[31mred???\npop3.proxy: the server has ended the trace before its time was over\n",
        'trace: the same, and an end before its time is told';
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

scene 'a reload that failed is shown until one succeeds' => sub {
    expect_log(qw(reload-failed configuration));
    my $master = master(server => server()->address);
    my $before = time;
    my $loaded = $master->status->{loaded_at};
    cmp_ok abs($loaded - $before), '<', 60, 'when the settings were read';
    is $master->status->{reload_failed}, undef, 'no reload has failed';
    unlike $master->ask('status'), qr/^WARNINGS/m, 'no warnings either';
    like $master->ask('metrics'), qr/^pop3_proxy_reload_failed 0$/m, 'metrics say so';
    my $text   = read_file($master->{path});
    my $lines  = $text =~ tr/\n//;
    my $taken  = server();
    my $own    = directory(0700) . '/link';
    symlink '/tmp', $own or die $!;
    my %broken = (
        'two mistakes'           => [ "$text\nwrokers = 3\nmoretypos = 4\n", $lines + 2, qr/wrokers = 3: unknown key; [^"\n]*\(1 more mistake\)/ ],
        'a port that is in use'  => [ "$text\n[instance two]\nlisten = @{[ $taken->address ]}\nserver = 127.0.0.1:9\n", $lines + 3, qr/listen = \S+: Address already in use/ ],
        'a log that is a link'   => [ "[proxy]\nlog = $own\n" . $text =~ s/^log = .*\n//mr =~ s/^\[proxy\]\n//r, 2, qr/cannot open the log file \Q$own\E: / ],
        'a pidfile in no directory' => [ "[proxy]\npidfile = /no/such/dir/pid\n" . $text =~ s/^pidfile = .*\n//mr =~ s/^\[proxy\]\n//r, 2, qr/pidfile = / ],
    );
    for my $name (sort keys %broken) {
        my ($file, $line, $words) = @{ $broken{$name} };
        write_file($master->{path}, $file);
        $master->signal('HUP');
        my $status = $master->shows(sub { (($_[0]{reload_failed} || {})->{why} // '') =~ $words });
        my $failed = $status->{reload_failed};
        like $failed->{why} // '', qr/\A\Q$master->{path}\E:$line: $words/, "$name: why, and which line";
        cmp_ok $failed->{at} // 0, '>=', $before, "$name: when";
        is $status->{loaded_at}, $loaded, "$name: the settings of before are in force";
        like $master->ask('status'), qr/^the reload at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d failed: \Q$master->{path}\E:$line: $words/m, "$name: the table";
        like $master->ask('status'), qr/^WARNINGS +AGO  LINE\nerror +\d+s  event=reload-failed text="[^\n]*$words/m, "$name: the last warning";
        my $metrics = $master->ask('metrics');
        like $metrics, qr/^pop3_proxy_reload_failed 1$/m, "$name: metrics";
        like $metrics, qr/^pop3_proxy_reload_failed_info\{origin="\Q$master->{path}\E:$line"\} 1$/m, "$name: with the line";
    }
    write_file($master->{path}, $text);
    is $master->reload->{event}, 'reloaded', 'a good file is taken';
    my $status = $master->status;
    is $status->{reload_failed}, undef, 'and the failure is gone';
    cmp_ok $status->{loaded_at}, '>=', $loaded, 'the settings are new';
    unlike $master->ask('status'), qr/failed:/, 'from the table';
    like $master->ask('metrics'), qr/^pop3_proxy_reload_failed 0$/m, 'and the metrics';
};

done;
