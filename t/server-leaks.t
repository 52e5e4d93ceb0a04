# SPDX-License-Identifier: BSD-2-Clause
#
# What a server costs over time: faulty sessions leave no descriptor or memory in use, a waiting
# worker is small, and an idle server does nothing at all.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

expect_log('log-lines-lost');

# A figure of smaps_rollup in KiB.
sub memory {
    my ($pid, $what) = @_;
    open my $file, '<', "/proc/$pid/smaps_rollup" or return;
    my $text = do { local $/; <$file> } // return;
    return $text =~ /^\Q$what\E:\s+(\d+) kB/m ? $1 : undef;
}

# Every way to misbehave; each gets a client.
my %faulty = (
    'closes at once'     => sub { $_[0]->close },
    'resets'             => sub { $_[0]->greeting; $_[0]->reset },
    'resets in USER'     => sub { $_[0]->greeting; $_[0]->send('USER jo')->reset },
    'is refused'         => sub { $_[0]->send("USER refused\r\nPASS x\r\n")->rest },
    'talks nonsense'     => sub { $_[0]->send("\0\xff\r\n" x 8)->rest },
    'a line without end' => sub { $_[0]->send('x' x 30000)->close },
    'leaves a transfer'  => sub { $_[0]->login('leaves')->send_line('RETR 1')->close },
    'resets a transfer'  => sub { my $c = $_[0]->login('resets'); $c->send_line('RETR 1')->reply; $c->reset },
    'half-closes'        => sub { $_[0]->send("USER half\r\nPASS x\r\nSTAT\r\n")->half_close->rest },
    'server hangs up'    => sub { $_[0]->login('hangup')->send("NOOP\r\n")->rest },
    'server talks'       => sub { $_[0]->login('talks')->send("LAST\r\n")->rest },
    'denied'             => sub { $_[0]->send("USER denied\r\nPASS x\r\n")->rest },
);

sub snapshot {
    my ($master) = @_;
    my %state;
    for my $pid ($master->pid, $master->children) {
        $state{$pid} = { fds => is_root() ? scalar(descriptors($pid)) : 0, memory => memory($pid, 'Anonymous') // 0 };
    }
    return \%state;
}

scene '240 faulty sessions' => sub {
    expect_log('refused-command');
    expect_reason(qw(server-closed server-unsolicited server-lost access-denied server-bad-reply));
    my $server = server(messages => [ message(300_000) ], on => {
        PASS => sub { my ($connection) = @_; return $connection->{user} eq 'refused' ? "-ERR no\r\n" : undef },
        NOOP => sub { my ($connection) = @_; $connection->close; return '' },
        LAST => sub { "+OK 0\r\n+OK 1\r\n+OK 2\r\n" },
    });
    my $dir    = directory(0777);
    my $master = master(server => "localhost:$server->{port}", workers => 2, max_workers => 2, client_log => $dir,
        acp => acp('[ "$PROXY_SERVERLOGIN" != denied ]'));
    my $round = sub {
        for my $name (sort keys %faulty) {
            my $client = $master->client;
            eval { $faulty{$name}->($client); 1 } or diag("$name: $@");
            $client->close;
        }
    };
    $round->() for 1 .. 10;     # until both workers have used all the memory they need
    is $master->settled(2), 'settled', 'all wait again';
    my $before = snapshot($master);
    $round->() for 1 .. 20;
    is $master->settled(2), 'settled', 'after ' . 20 * keys(%faulty) . ' more as well';
    my $after = snapshot($master);
    # Only this test asks the status process; all other processes are the same.
    my @same = grep { $after->{$_} } keys %$before;
    cmp_ok scalar @same, '>=', 4, 'the processes are the same';
    my ($growth) = sort { $b <=> $a } map { $after->{$_}{memory} - $before->{$_}{memory} } @same;
    is $after->{$_}{fds}, $before->{$_}{fds}, "process $_: descriptors" for @same;
    diag("memory grew by $growth KiB at most");
    # A sanitizer keeps freed memory, and finds leaks in its own way.
    cmp_ok $growth, '<=', 128, 'memory' if !is_sanitized();
    is scalar(grep { (facts($_)->{State} // '') =~ /^Z/ } Pop3Test::Process::descendants($master->pid)), 0, 'no zombie';
    is $master->client->login->quit, '+OK bye', 'and a good session';
};

scene 'memory of a worker' => sub {
    needs_one_session('measures a process that carries one');
    plan(skip_all => 'the sanitizer needs its own') if is_sanitized();
    plan(skip_all => 'not run by root') if !is_root();
    my $master  = master(server => server()->address, workers => 32);
    my @workers = $master->workers(32);
    plan(skip_all => 'no smaps_rollup') if !defined memory($workers[0], 'Pss');
    my $sum = 0;
    $sum += memory($_, 'Pss') for @workers;
    diag(sprintf 'a waiting worker: %.0f KiB', $sum / @workers);
    cmp_ok $sum / @workers, '<=', 100, 'waiting';
    my @client = map { $master->client->login("m$_") } 1 .. 20;
    $_->ask('STAT') for @client;
    my @busy = map { $master->worker_of("m$_") } 1 .. 20;
    my $held = sub { my $sum = 0; $sum += memory($_, 'Pss') for @busy; return $sum / @busy };
    diag(sprintf 'one with a session: %.0f KiB', $held->());
    ok wait_until(sub { $held->() <= 100 }), 'with a session that has rested';
    diag(sprintf 'one that has rested: %.0f KiB', $held->());
    is $_->quit, '+OK bye', 'in order' for @client;
};

# A session that has been silent for a while has freed the memory of the handshake.
scene 'memory of a worker with TLS' => sub {
    needs_one_session('measures a process that carries one');
    plan(skip_all => 'the sanitizer needs its own') if is_sanitized();
    plan(skip_all => 'not run by root') if !is_root();
    plan(skip_all => 'TLS is not built in') if !features()->{tls};
    plan(skip_all => 'openssl is missing')  if !has_openssl();
    my $identity = identity(name => 'pop.example.org', san => ['DNS:pop.example.org']);
    my $master   = master(server => server()->address, workers => 8, tls => 'implicit', tls_certificate => $identity->{both});
    my @client   = map { tls_client($master->port)->login("m$_") } 1 .. 4;
    my @worker   = map { $master->worker_of("m$_") } 1 .. 4;
    plan(skip_all => 'no smaps_rollup') if !defined memory($worker[0], 'Private_Dirty');
    my $own = sub { (sort { $b <=> $a } map { memory($_, 'Private_Dirty') } @worker)[0] };
    wait_until(sub { $own->() <= 280 });
    diag(sprintf 'private memory: %d KiB at most', $own->());
    cmp_ok $own->(), '<=', 280, 'of its own';
    like $_->quit, qr/^\+OK/, 'in order' for @client;
};

scene 'an idle server makes no system call' => sub {
    plan(skip_all => 'no strace') if !installed('strace');
    my $master = master(server => server()->address, workers => 8, acp => acp('exit 0'));
    is $master->client->login->quit, '+OK bye', 'a session before';
    is $master->settled(8), 'settled', 'all wait';
    my $file = directory() . '/calls';
    my @pids = ($master->pid, $master->children);
    my $strace = Pop3Test::Process::spawn(command => [ 'strace', '-f', '-o', $file, '-p', join ',', @pids ],
        fds => { 2 => do { open my $null, '>', '/dev/null'; $null } });
    my $seen = sub { my $text = -e $file ? read_file($file) : ''; my %pids = map { $_ => 1 } $text =~ /^(\d+) /mg; return keys %pids };
    wait_until(sub { !$strace->is_running || $seen->() == @pids });
    plan(skip_all => 'strace may not look') if !$strace->is_running;
    # Wait until the work caused by the start, the growth of the pool and strace is done.
    my ($before, $since) = ('', now());
    my $is_silent = wait_until(sub {
        my $calls = read_file($file);
        ($before, $since) = ($calls, now()) if $calls ne $before;
        return now() - $since > 1.5;
    });
    $strace->signal('INT');
    $strace->wait;
    ok $is_silent, 'for more than a second' or diag(substr $before, -1000);
};

done;
