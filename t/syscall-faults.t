# SPDX-License-Identifier: BSD-2-Clause
#
# strace makes system calls fail one after the other: no crash, no hang, only replies to the client,
# nothing forbidden to the server, no session as the wrong user. An interrupted call has no effect at
# all.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

plan(skip_all => 'a sanitizer makes calls of its own') if is_sanitized();
my $strace = installed('strace');
plan(skip_all => 'strace is not installed') if !$strace;
my $probe = run([ $strace, '-qq', '-o', '/dev/null', '-e', 'inject=getpid:error=EIO', 'true' ]);
plan(skip_all => 'strace cannot inject faults here') if $probe->{status};

expect_log(qw(configuration sandbox resolve-failed client-log-failed acp-failed log-lines-lost privileges helper-failed
    resolver-failed));
expect_reason(qw(connect-failed connect-timeout resolve-failed resolve-timeout acp-failed acp-timeout internal-error
    server-lost server-closed server-timeout login-timeout));

my @messages = ("Subject: x\r\n\r\n" . "body\r\n" x 70_000);     # in many pieces
my $script   = "PASS x\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";

# Starts a session with a name to look up, a client log and perhaps an acp,
# under strace with these options.
sub session {
    my ($server, $with_acp, @options) = @_;
    my $trace = directory(0777) . '/trace';
    my $proxy = proxy('-t', 4, '-e', ($with_acp ? ('-a', acp('exit 0')) : ()), '-l', directory(0777), '-',
        { wrapper => [ $strace, '-qq', '-f', '-o', $trace, @options ], any_exit => 1, any_stderr => 1 });
    my $client = $proxy->client;
    $client->send("USER joe\@localhost:$server->{port}\r\n$script");
    return { client => $client, proxy => $proxy, trace => $trace, server => $server };
}

# What the client received, and the wait status; undef if it did not end.
sub outcome {
    my ($session) = @_;
    my $client = $session->{client};
    my $seen   = eval { $client->rest(20) };
    my $status = $client->process->wait;
    $session->{proxy}->close;
    return ($seen, $status);
}

my $whole = qr/\A\+OK[^\r\n]*\r\n\+OK[^\r\n]*\r\n\+OK logged in\r\n\+OK 1 \d+\r\n\+OK message follows\r\n\Q$messages[0]\E\.\r\n\+OK deleted\r\n\+OK bye\r\n\z/;

# The program's first own call; the loader makes those before it.
my $first_call = qr/socket\(AF_UNIX, SOCK_DGRAM/;

# name => the numbers of the program's own calls, counted in each process: neither the
# loader's nor those of a program it executes.
my %calls;
my $dialogue;   # what the client gets if nothing fails

sub count_calls {
    my ($trace) = @_;
    my ($main) = $trace =~ /^(\d+)/;
    my ($begun, %count, %foreign, %number);
    for my $row (split /\n/, $trace) {
        my ($pid, $name) = $row =~ /^(\d+) +(\w+)\(/ or next;
        $foreign{$pid} = 1 if $name eq 'execve' && $pid != $main;
        $begun ||= $row =~ $first_call;
        my $when = ++$count{$pid}{$name};
        $number{$name}{$when} = 1 if $begun && !$foreign{$pid};
    }
    $calls{$_} = [ sort { $a <=> $b } keys %{ $number{$_} } ] for keys %number;
    return;
}

scene 'a session without faults' => sub {
    my $session = session(server(messages => [@messages]), 1);
    my ($seen) = outcome($session);
    $dialogue = $seen;
    ok $seen =~ $whole, 'is complete' or diag(show($seen));
    count_calls(read_file($session->{trace}));
    cmp_ok scalar keys %calls, '>', 20, 'many different calls';
};

# Makes one call after the other fail, at most $most of each name, and reports what $judge
# finds wrong.
sub inject {
    my ($error, $with_acp, $most, $judge, @names) = @_;
    my @known = grep { $calls{$_} } @names;
    my @cases = map { my $name = $_; map { [ $name, $_ ] } grep { defined } @{ $calls{$name} }[ 0 .. $most - 1 ] } @known;
    my @bad;
    while (@cases && @bad < 10) {
        my $server = server(messages => [@messages]);
        my @round = map { [ @$_, session($server, $with_acp, '-e', "inject=$_->[0]:error=$error:when=$_->[1]") ] }
            splice @cases, 0, 6;
        for my $case (@round) {
            my ($name, $when, $session) = @$case;
            my ($seen, $status) = outcome($session);
            my ($before, $fault) = split /(?=INJECTED)/, read_file($session->{trace}), 2;
            next if defined $fault && $before !~ $first_call;   # it was in the loader
            my $wrong = !defined $seen || !defined $status ? 'hangs'
                : $status & 127 ? 'dies of ' . exit_code($status)
                : $judge->($seen, $session);
            push @bad, "$name, call $when: $wrong" if $wrong;
        }
        push @bad, @{ $server->{violations} };
    }
    is join("\n", @bad), '', "$error in @{[ scalar @known ]} kinds of calls";
    return;
}

sub is_clean {
    my ($seen) = @_;
    return is_part_of_dialogue($seen, $dialogue) ? '' : 'the client gets ' . show($seen);
}

my @io = qw(read write recvfrom recvmsg sendto sendmsg writev readv splice poll ppoll epoll_wait epoll_pwait wait4);
my @set_up = qw(socket socketpair pipe2 connect setsockopt getsockopt getsockname getpeername fcntl openat rename unlink
    clone clone3 fork vfork epoll_create1 epoll_ctl eventfd2 dup dup2 dup3 ioctl timerfd_create signalfd4 lseek fstat newfstatat
    access faccessat faccessat2 prctl prlimit64 rt_sigaction rt_sigprocmask close shutdown close_range inotify_init1);

scene 'interrupted calls are repeated' => sub {
    inject('EINTR', 0, 20, sub { $_[0] =~ $whole ? '' : 'incomplete: ' . show($_[0]) }, @io);
};

scene 'reads and writes fail' => sub { inject('EIO',    1, 20, \&is_clean, @io) };
scene 'no descriptors are left' => sub { inject('EMFILE', 1, 4, \&is_clean, @set_up) };
# Not brk(): the kernel's call returns the end of the memory and never an error, so the C library takes
# an injected one for success.
scene 'no memory is left' => sub { inject('ENOMEM', 1, 4, \&is_clean, 'mmap', 'mprotect', @set_up, @io) };

scene 'privileges that cannot be dropped' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    my $refused = sub { $_[0] =~ /^\+OK/m ? 'a session in spite of it' : '' };
    inject('EPERM', 0, 1, $refused, qw(setuid setgid setresuid setresgid setreuid setregid setgroups));
};

done;
