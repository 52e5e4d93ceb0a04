# SPDX-License-Identifier: BSD-2-Clause
#
# The signals an operator sends: TERM and INT, QUIT, USR1.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Fcntl qw(O_RDWR);
use POSIX qw(mkfifo);

# A message that the client has not read yet.
sub held_transfer {
    my ($master, $user) = @_;
    my $client = $master->client->login($user);
    $client->hold->send_line('RETR 1');
    return $client;
}

scene 'TERM and INT end sessions' => sub {
    for my $signal (qw(TERM INT)) {
        my $server = server();
        my $master = master(server => $server->address, workers => 4);
        my $fresh  = $master->client;
        my $half   = $master->client;
        my $client = $master->client->login;
        $_->greeting for $fresh, $half;
        $half->ask('USER joe');
        $master->signal($signal);
        is exit_code($master->wait), 0, "$signal: ends long before the grace";
        like $_->rest, qr/\A(?:-ERR \[SYS\/TEMP\] [^\r\n]*\r\n)?\z/, "$signal: a word at most" for $fresh, $half, $client;
        ok !$server->saw(qr/^QUIT/), "$signal: no QUIT of its own to the server";
        ok !$master->connect, "$signal: the port is free";
    }
    is scalar(grep { $_->{f}{reason} eq 'stopped' } log_lines('session')), 6, 'logged as stopped';
};

scene 'grace: the time that sessions have to end' => sub {
    expect_log('master', 'worker-died');
    my $server = server();
    my $master = master(server => $server->address, grace => 1);
    $master->client->login('stuck');
    my $worker = $master->worker_of('stuck');
    kill 'STOP', $worker;
    my $begin = now();
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'it ends all the same';
    cmp_ok now() - $begin, '>=', 0.9, 'after the grace';
    ok !is_alive($worker), 'without those that did not listen';
};

scene 'QUIT lets sessions finish' => sub {
    my $server = server(messages => [ message(2000) ]);
    my $master = master(server => $server->address, workers => 4);
    my @client = map { $master->client->login("user$_") } 1 .. 3;
    my $early  = $master->client;
    $early->greeting;
    $master->after(sub { $master->signal('QUIT') }, 'master-draining');
    ok wait_until(sub { !$master->connect }), 'no new connection';
    $early->ask('USER late');
    like $early->ask('PASS x'), qr/^\+OK/, 'who is there may log in';
    is $early->quit, '+OK bye', 'and finish';
    like +($_->fetch('RETR 1'))[0], qr/^\+OK/, 'and read' for @client;
    is $_->quit, '+OK bye', 'and finish' for @client;
    my $begin = now();
    is exit_code($master->wait), 0, 'ends with the last session';
    diag(sprintf 'exit %.0f ms after the last session', 1000 * (now() - $begin));
};

scene 'QUIT without sessions, TERM after QUIT, and many signals at once' => sub {
    my $master = master(server => server()->address);
    $master->signal('QUIT');
    is exit_code($master->wait), 0, 'ends at once';
    my $second = master(server => server()->address);
    my $client = $second->client->login;
    $second->after(sub { $second->signal('QUIT') }, 'master-draining');
    ok $second->is_running, 'a session runs';
    $second->signal('TERM');
    is exit_code($second->wait), 0, 'TERM ends it as well';
    for my $bunch ([qw(HUP TERM)], [qw(USR1 HUP QUIT)], [qw(TERM TERM INT QUIT HUP)], [qw(QUIT QUIT TERM)]) {
        my $third = master(server => server()->address);
        kill $_, $third->pid for @$bunch;
        is exit_code($third->wait), 0, "@$bunch";
    }
};

scene 'TERM to all processes at once, as some supervisors send it' => sub {
    my $server = server();
    my $master = master(server => $server->address, acp => acp('exit 0'));
    my $client = $master->client->login;
    kill 'TERM', -$master->pid;
    is exit_code($master->wait), 0, 'exit status';
    is $master->stderr, '', 'without a word';
    like $client->rest, qr/\A(?:-ERR \[SYS\/TEMP\] [^\r\n]*\r\n)?\z/, 'the session is ended in order';
};

scene 'USR1: a log that was moved away' => sub {
    my $directory = directory(0777);
    my $log       = "$directory/log";
    my $server    = server();
    my $master    = master(server => $server->address, log => $log, acp => acp('echo said by the acp >&2'), -start => 0);
    my $process   = spawn_with_file($master, $log);
    my $held      = $master->client(to => file_address($log))->login('held');
    my $address   = file_address($log);
    $master->client(to => $address)->login('before')->quit;
    wait_until(sub { read_file($log) =~ /event=session .*user=before/ });
    my @before = $master->workers(2);
    rename $log, "$log.1" or die $!;
    $master->signal('USR1');
    ok wait_until(sub { -e $log && read_file($log) =~ /event=log-reopened/ }), 'a new one';
    ok wait_until(sub { 1 >= grep { is_alive($_) } @before }), 'all workers but the busy one are new';
    is $master->client(to => $address)->login("after$_")->quit, '+OK bye', "session $_" for 1 .. 5;
    ok wait_until(sub { read_file($log) =~ /event=session .*user=after5/ }), 'with what came after';
    is scalar(() = read_file($log) =~ /event=acp-output/g), 5, 'from the helper as well';
    unlike read_file("$log.1"), qr/user=after/, 'nothing of it in the old one';
    is $held->ask('NOOP'), '+OK', 'a session that runs';
    is $held->quit, '+OK bye', 'goes on';
    ok wait_until(sub { (read_file("$log.1") . read_file($log)) =~ /event=session .*user=held/ }), 'and is logged';
    like read_file($_), qr/\A(?:[\x20-\x7e]+\n)*\z/, "whole lines: $_" for "$log.1", $log;
    my $mode = (stat $log)[2] & 0777;
    is sprintf('%o', $mode), '640', 'mode';
};

scene 'USR1 while acps run' => sub {
    my $directory = directory(0777);
    my $log       = "$directory/log";
    my $server    = server();
    my $go        = fifo("$directory/go");
    my $master    = master(server => $server->address, log => $log, workers => 4,
        acp => acp("echo begun >>$directory/asked; dd bs=1 count=1 <$directory/go >/dev/null 2>&1"), -start => 0);
    spawn_with_file($master, $log);
    my $address = file_address($log);
    my @client  = map { $master->client(to => $address) } 1 .. 3;
    for my $client (@client) {
        $client->greeting;
        $client->ask('USER joe');
        $client->send_line('PASS x');
    }
    ok wait_until(sub { -e "$directory/asked" && read_file("$directory/asked") =~ /(?:begun\n){3}/ }), 'three are being asked';
    rename $log, "$log.1" or die $!;
    $master->signal('USR1');
    ok wait_until(sub { -e $log && read_file($log) =~ /event=log-reopened/ }), 'a new log';
    syswrite $go, 'x' x 4;   # one octet for each client, and one for the last one
    like $_->reply, qr/^\+OK/, 'granted' for @client;
    is scalar(() = read_file("$directory/asked") =~ /begun/g), 3, 'each acp runs once';
    is $_->quit, '+OK bye', 'and on' for @client;
    is $master->client(to => $address)->login->quit, '+OK bye', 'the next one';
};

# Both ends of a FIFO, so that opening it never waits.
sub fifo {
    my ($path) = @_;
    mkfifo($path, 0600) && chmod 0666, $path or die "$path: $!\n";
    sysopen my $fifo, $path, O_RDWR or die "$path: $!\n";
    return $fifo;
}

# Waits for lines in the log, which is a file.
sub spawn_with_file {
    my ($master, $log) = @_;
    my $process = Pop3Test::Process::spawn(command => $master->command_line);
    $master->{process} = $process;
    push @{ $master->{processes} }, $process;
    wait_until(sub { -e $log && read_file($log) =~ /event=started/ }) or die "the server does not start\n";
    return $process;
}

sub file_address { my ($log) = @_; return read_file($log) =~ /event=listening .*?text="(.*?)"/ ? $1 : die "no address\n" }

done;
