#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# Every system call of a session fails once, with each error that it can have: never a crash, a hang
# or a forged reply. The client gets the right dialogue, or the beginning of it and then one refusal
# or the end of the connection; the log says why. The library t/fault/fault.c, loaded before the C
# library, makes the calls fail; make check builds it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Pop3Test;
use Pop3Test::Process qw(fork_off);
use Errno qw(ECHILD EINTR EMFILE ENOMEM EAGAIN ECONNRESET ENOBUFS EIO ENOSPC EPIPE ECONNREFUSED EACCES);

my ($library) = grep { -f } map { "$_/fault.so" } program() =~ s{/src/[^/]*\z}{/t/fault}r;
plan(skip_all => 'make check builds the library of faults') if !$library;
plan(skip_all => 'a sanitizer wants to be loaded first') if is_sanitized();

# Any of these events may be logged.
expect_log(qw(resolver-failed acp-failed client-log-failed configuration helper-failed
    log-lines-lost privileges resolve-failed sandbox));
expect_reason(qw(acp-failed acp-timeout client-lost connect-failed connect-timeout internal-error
    login-timeout resolve-failed resolve-timeout server-closed server-lost server-timeout));

use constant CALLS_MAX => 60;       # of one function in one session

our $message = "Subject: x\r\n\r\n.a line with a dot\r\n" . ('some text, ' x 6 . "\r\n") x 40;

# ---- one session ----

# The client's steps, as far as it comes. Returns every octet it received.
sub talk {
    my ($client) = @_;
    eval {
        $client->greeting;
        for my $command ('USER joe', "PASS $Pop3Test::Client::PASSWORD", 'STAT', 'LIST', 'RETR 1', 'DELE 1', 'QUIT') {
            my ($status) = $command =~ /^(?:LIST|RETR)/ ? $client->fetch($command) : $client->ask($command);
            last if $status !~ /^\+OK/;
        }
        1;
    };
    $client->rest;
    return $client->received;
}

# A session under these faults: {octets, status, failed, committed, line}.
sub session {
    my ($arguments, %fault) = @_;
    my $report = directory(0777) . '/report';
    my $server = server(messages => [$message]);
    my $client = proxy(
        '--login-timeout', 6, @$arguments, "localhost:" . $server->port,
        { any_exit => 1, any_stderr => 1, env => { LD_PRELOAD => $library, FAULT_REPORT => $report, %fault } },
    )->client;
    my %got = (octets => talk($client), status => $client->process->wait);
    my @lines = grep { $_->{pid} == $client->process->pid } log_lines('session');
    $server->close;
    return {
        %got,
        failed    => scalar(read_file($report) =~ /\A[^\0]/),
        committed => scalar @{ $server->{committed} },
        lines     => scalar @lines,
        reason    => @lines ? $lines[0]{f}{reason} : undef,
    };
}

# ---- what must hold ----

sub complaint {
    my ($session, $good) = @_;
    my $status = $session->{status};
    return 'the session does not end' if !defined $status;
    return 'ended by ' . exit_code($status) if $status & 127;
    return 'the dialogue: ' . show($session->{octets}) if !is_part_of_dialogue($session->{octets}, $good);
    return 'deletions committed without a QUIT'
        if $session->{committed} && index($session->{octets}, "dot\r\n") < 0;
    return "$session->{lines} lines about the session" if $session->{lines} > 1;
    return;
}

# Errors that pass by themselves or do not matter: the client must not notice them.
sub is_harmless {
    my ($call, $error) = @_;
    return $call =~ /\A(?:setsockopt|getpeername|getsockname|waitpid)\z/
        || $call =~ /\A(?:recv|send|ppoll|recvmsg|sendmsg|read)\z/ && ($error == EINTR || $error == EAGAIN);
}

# The log uses these calls itself: a line may be lost.
my %loggers = map { $_ => 1 } qw(socket connect send open);

sub walk {
    my ($name, $arguments, $process, %errors) = @_;
    scene $name => sub {
        my $good = session($arguments);
        ok $good->{octets} =~ /\r\n\.\r\n\+OK[^\n]*\n\+OK[^\n]*\n\z/, 'without faults it works'
            or diag(show($good->{octets}));
        for my $call (sort keys %errors) {
            my @wrong;
            my $count = 0;
            for my $error (@{ $errors{$call} }) {
                for my $number (1 .. CALLS_MAX) {
                    my $got = session($arguments, FAULT_CALL => $call, FAULT_NUMBER => $number,
                        FAULT_ERRNO => $error + 0, FAULT_PROCESS => $process);
                    last if !$got->{failed};
                    $count++;
                    my $wrong = complaint($got, $good->{octets});
                    $wrong //= 'no line in the log' if !$got->{lines} && !$loggers{$call} && $got->{status} == 0;
                    $wrong //= 'noticed: ' . show($got->{octets}) . " ($got->{reason})"
                        if is_harmless($call, $error) && $got->{octets} ne $good->{octets};
                    push @wrong, "call $number, error $error: $wrong" if $wrong;
                }
            }
            ok(!@wrong, "$call ($count faults)") or diag(join "\n", splice @wrong, 0, 6);
        }
    };
    return;
}

my $directory = directory(0777);
my @policy    = ('-l', $directory, '-a', acp('echo one moment >&2; exit 0'));

walk 'in the session' => \@policy, 'session',
    recv        => [ EINTR, EAGAIN, ECONNRESET, ENOMEM ],
    send        => [ EINTR, EAGAIN, EPIPE, ENOBUFS ],
    ppoll       => [ EINTR, ENOMEM ],
    socket      => [ EMFILE, ENOBUFS ],
    socketpair  => [ EMFILE ],
    connect     => [ ECONNREFUSED, EACCES ],
    setsockopt  => [ ENOBUFS ],
    getsockopt  => [ ENOBUFS ],
    getpeername => [ ENOBUFS ],
    getsockname => [ ENOBUFS ],
    fork        => [ EAGAIN ],
    waitpid     => [ EINTR ],
    mmap        => [ ENOMEM ],
    sendmsg     => [ EINTR, EAGAIN, ENOBUFS ],
    recvmsg     => [ EINTR, EAGAIN, ENOMEM ];

{
    # The message is read in pieces and moved inside the kernel.
    local $message = $message . ('some more text, ' x 8 . "\r\n") x 4000;
    walk 'in a long message' => [], 'session',
        recv   => [ EINTR, EAGAIN, ECONNRESET ],
        send   => [ EINTR, EAGAIN, EPIPE ],
        splice => [ EINTR, EAGAIN, EIO ],
        ppoll  => [ EINTR, ENOMEM ],
        pipe2  => [EMFILE];
}

walk 'in the helper' => \@policy, 'children',
    fork    => [EAGAIN],
    pipe2   => [EMFILE],
    open    => [ EMFILE, EACCES ],
    write   => [ ENOSPC, EIO ],
    read    => [ EINTR, EIO ],
    rename  => [EIO],
    calloc  => [ENOMEM],
    sendmsg => [ ENOBUFS, EPIPE ],
    recvmsg => [ EINTR, ENOMEM ],
    socket  => [EMFILE],
    connect => [ECONNREFUSED];

# Each descriptor of the helper and of the starter in turn; one of them is the socket on which the
# helper hears of the end of a program. The program waits for a word from here, so its start and its
# end are two events.
scene 'an acp whose end the kernel cannot watch is asked for it now and then' => sub {
    my $fifo = directory(0777) . '/word';
    POSIX::mkfifo($fifo, 0666) && chmod(0666, $fifo) or die "mkfifo: $!\n";
    my $writer = fork_off('writer', sub {
        local $SIG{PIPE} = 'IGNORE';
        while (open my $out, '>', $fifo) {
            syswrite $out, "go on\n";
        }
    });
    my $acp = acp("read word <$fifo; exit 0");
    my ($count, $granted) = (0, 0);
    for my $number (1 .. CALLS_MAX) {
        my $got = session([ '-a', $acp ], FAULT_CALL => 'epoll_ctl', FAULT_NUMBER => $number, FAULT_ERRNO => ENOMEM + 0,
            FAULT_PROCESS => 'children');
        last if !$got->{failed};
        $count++;
        $granted++ if ($got->{reason} // '') eq 'quit';
    }
    cmp_ok $count, '>', 3, 'epoll_ctl() failed for each descriptor';
    cmp_ok $granted, '>=', 3, 'not for the end, the output and the errors of the program';
    my @killed = grep { $_->{f}{error} =~ /Killed/ } log_lines('acp-failed');
    cmp_ok scalar(@killed), '<=', 2,
        'only those are killed that the starter cannot watch, or whose session the helper cannot watch';
    $writer->destroy;
};

scene 'an acp whose exit status is lost does not grant' => sub {
    for my $status (1, 0) {
        my $got = session([ '-a', acp("exit $status") ], FAULT_CALL => 'waitpid', FAULT_NUMBER => 1,
            FAULT_ERRNO => ECHILD + 0, FAULT_PROCESS => 'children');
        ok $got->{failed}, "exit $status: waitpid() failed";
        like $got->{octets}, qr/\r\n-ERR \[SYS\/TEMP\][^\r\n]*\r\n\z/, 'refused';
        is $got->{reason}, 'acp-failed', 'reason';
    }
    my $line = (log_lines('acp-failed'))[-1];
    like $line->{f}{error}, qr/exit status/, 'the log says so';
};

scene 'the dialogue is the same when calls move one octet at a time' => sub {
    my $good = session(\@policy);
    for my $call (qw(recv send read write)) {
        my $got = session(\@policy, FAULT_CALL => $call, FAULT_NUMBER => 0, FAULT_ERRNO => 0);
        is $got->{octets}, $good->{octets}, $call;
        is $got->{reason}, 'quit', "$call: in order";
    }
    for my $call (qw(read write)) {
        unlink "$directory/127.0.0.1";
        my $got = session(\@policy, FAULT_CALL => $call, FAULT_NUMBER => 0, FAULT_ERRNO => 0,
            FAULT_PROCESS => 'children');
        is $got->{octets}, $good->{octets}, "$call in the helper";
        like read_file("$directory/127.0.0.1"), qr/\A\d+ 127\.0\.0\.1 joe \S+\n\z/, 'a whole line is recorded';
    }
};

scene 'a session over pipes, one octet at a time' => sub {
    for my $call (qw(read write)) {
        my $server = server(messages => [$message]);
        my $client = proxy('127.0.0.1:' . $server->port,
            { env => { LD_PRELOAD => $library, FAULT_CALL => $call, FAULT_NUMBER => 0, FAULT_ERRNO => 0 } })
            ->client_on_pipes;
        like talk($client), qr/\A(?:\+OK[^\n]*\n){4}.*\r\n\.\r\n(?:\+OK[^\n]*\n){2}\z/s, $call;
    }
};

done;
