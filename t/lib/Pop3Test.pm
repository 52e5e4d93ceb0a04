# SPDX-License-Identifier: BSD-2-Clause
#
# What every test of the whole program uses:
#
#     use Pop3Test;
#
#     scene 'a message arrives as it is' => sub {
#         my $server = server(messages => ["Subject: x\r\n\r\nbody\r\n"]);
#         my $client = proxy($server->address)->client->login;
#         my ($status, $body) = $client->fetch('RETR 1');
#         is $body, "Subject: x\r\n\r\nbody\r\n", 'body';
#         like $client->quit, qr/^\+OK/, 'QUIT';
#     };
#
#     done;
#
# A scene is a subtest. At its end its connections are closed, and every process
# that it started must end by itself, with exit status 0, without a word on
# standard error, and without a process that goes on. done() adds the tests that
# every file needs: no fake server got anything forbidden; the log has no line that
# is malformed, unknown or unexpected, and no password; no sanitizer has reported
# anything.
#
# The program under test is named by the environment variable POP3_PROXY, else
# it is src/pop3.proxy below the current directory.

package Pop3Test;

use strict;
use warnings;
use Exporter 'import';
use File::Temp ();
use FindBin;
use List::Util qw(max);
use MIME::Base64 ();
use POSIX ();
use Test::More;
use Pop3Test::Client;
use Pop3Test::Log;
use Pop3Test::Loop qw(wait_until pause now);
use Pop3Test::Master;
use Pop3Test::Pollers;
use Pop3Test::Process qw(run installed orphans descendants is_alive facts descriptors exit_code);
use Pop3Test::Proxy;
use Pop3Test::Server;
use Pop3Test::Stream;
use Pop3Test::Tables qw(events reasons);

our @EXPORT = (
    @Test::More::EXPORT,
    qw(scene done example proxy master pollers server run wait_until pause now program directory write_file read_file
        acp never expect_log expect_reason log_lines features exit_code show is_alive descendants orphans facts descriptors is_root
        without_setuid needs_one_session has_many_sessions
        is_sanitized installed b64 secret executable message is_part_of_dialogue),
);

# event => 1: announced lines of severity warning or worse. Whether connections wait for a second, and
# whether an address answers in time, depends on the speed of the machine.
my %expected = ('pool-full' => 1, 'address-failed' => 1);
$expected{sandbox} = 1 if _has_older_landlock();
my %excused;        # processes whose server the end of a scene closed
my (@proxies, @servers, @violations, @secrets, @log_files);

# The product's events and reasons, from its sources. A test that provokes a
# warning or worse announces it with expect_log(), and a session that ends for a
# reason of that severity with expect_reason().
my %EVENTS  = events();
my %REASONS = reasons();
my $PLURAL  = qr/(?<![\d.])1 (?:old )?(?:instances|keys|workers|sessions|lines|users|messages|octets|days|mistakes)\b/;

# Events of one session.
my %IS_OF_SESSION = map { $_ => 1 } qw(session login refused-command acp-output acp-failed resolve-failed
    client-log-failed tls-failed);

my $temporary = File::Temp->newdir('p3XXXXXX', TMPDIR => 1);
chmod 0755, "$temporary" or die "$temporary: $!\n";
mkdir "$temporary/san" or die "$temporary/san: $!\n";
chmod 0777, "$temporary/san";

secret($Pop3Test::Client::PASSWORD);

for my $name (qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS)) {
    $ENV{$name} = join ':', grep { defined && length } $ENV{$name}, "log_path=$temporary/san/\L$name";
}
delete @ENV{ grep { /^PROXY_/ } keys %ENV };

_start_watchdog();

# ---- the program ----

sub program {
    my $path = $ENV{POP3_PROXY} || 'src/pop3.proxy';
    BAIL_OUT("there is no program at $path; name it in POP3_PROXY") if !-x $path;
    require Cwd;
    return Cwd::abs_path($path);
}

# The features named by --version, as a hash.
sub features {
    my $result = run([ program(), '--version' ]);
    my ($second) = $result->{out} =~ /\A[^\n]*\n([^\n]*)/;
    return { map { $_ => 1 } grep { /\A[a-z0-9-]+\z/ } split /[\s,]+/, $second // '' };
}

sub is_root { return $> == 0 }

# A command that runs the rest as a root that may not change its user; undef where that is not possible.
sub without_setuid {
    return if !is_root() || !installed('setpriv');
    return [ map { split } 'setpriv --bounding-set -setuid,-setgid --inh-caps -setuid,-setgid' ];
}

# For a scene that counts processes, or signals the process of a session: skips the scene where the
# whole suite runs with many sessions a worker.
sub needs_one_session {
    my ($why) = @_;
    plan(skip_all => "one session a worker: $why") if has_many_sessions();
    return;
}

sub has_many_sessions { return ($ENV{POP3_TEST_SESSIONS_PER_WORKER} // 1) > 1 }

sub is_sanitized {
    my $octets = read_file(program());
    return $octets =~ /__asan_init|__tsan_init|__ubsan_handle/;
}

# ---- what scenes are made of ----

# server(options): a fake server, which the end of the scene closes.
sub server {
    my $server = Pop3Test::Server->new(@_);
    push @servers, $server if $server;
    return $server;
}

# proxy(arguments..., {options}): a superserver that starts the product.
sub proxy {
    my @arguments = @_;
    my %option = ref $arguments[-1] ? %{ pop @arguments } : ();
    my $proxy = Pop3Test::Proxy->new(
        program => program(), log => _log(), arguments => [@arguments], %option);
    push @proxies, $proxy;
    return $proxy;
}

# master(keys => values, options): the product as a server; see Pop3Test::Master.
# -in_file: it logs to a file of its own, which loses no line.
sub master {
    my %option    = @_;
    my $directory = directory(0777);
    my %log       = (-log => _log());
    %log = (-log => log_file("$directory/log"), log => "$directory/log") if delete $option{-in_file};
    my $master = Pop3Test::Master->new(
        -program => program(), -directory => $directory, %log, %option, -start => 0);
    push @proxies, $master;
    $master->start if $option{-start} // 1;
    return $master;
}

# pollers(address => ..., count => ...): clients that poll without pause.
sub pollers { return Pop3Test::Pollers->new(@_) }

sub directory {
    my ($mode) = @_;
    my $path = File::Temp::tempdir('dXXXXXX', DIR => "$temporary");
    chmod $mode // 0755, $path;
    return $path;
}

sub write_file {
    my ($path, $octets, $mode) = @_;
    open my $file, '>:raw', $path or die "$path: $!\n";
    print {$file} $octets;
    close $file or die "$path: $!\n";
    chmod $mode, $path if defined $mode;
    return $path;
}

sub read_file {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$file> // '';
}

# An example of contrib/: as the build has made it, else as it is in the sources.
sub example {
    my ($name) = @_;
    my ($path) = grep { -e } map { "$_/contrib/$name" } program() =~ s{/src/[^/]*\z}{}r, "$FindBin::Bin/..";
    return read_file($path // die "contrib/$name is neither built nor in the sources\n");
}

sub b64 { my ($octets) = @_; return MIME::Base64::encode_base64($octets, '') }

# An executable script; returns its path.
sub executable { my ($text) = @_; return write_file(directory() . '/run', $text, 0755) }

# An access control program in plain sh.
sub acp { my ($body) = @_; return executable("#!/bin/sh\n$body\n") }

# A FIFO without a writer: a program that opens it for reading waits until it is killed.
sub never {
    my $path = directory() . '/never';
    POSIX::mkfifo($path, 0666) && chmod 0666, $path or die "$path: $!\n";
    return $path;
}

# A password that must never appear in the log.
sub secret { my ($word) = @_; push @secrets, $word; return $word }

# A message of at least $octets octets, the same in every run.
sub message {
    my ($octets) = @_;
    my $head = "From: a\@example.org\r\nSubject: test\r\n\r\n";
    my $line = join '', map { chr(32 + $_ * 7 % 95) } 1 .. 70;
    my $body = '';
    $body .= sprintf("%07d", length $body) . "$line\r\n" while length($head) + length $body < $octets;
    return $head . $body;
}

# Whether these octets are the beginning of a dialogue, and after them nothing or, where
# a reply may begin, one refusal.
sub is_part_of_dialogue {
    my ($octets, $whole) = @_;
    return 1 if $octets eq substr $whole, 0, length $octets;
    my ($before) = $octets =~ /\A((?:.*\n)?)-ERR [\x20-\x7e]+\r\n\z/s or return 0;
    return $before eq substr $whole, 0, length $before;
}

# ---- the log ----

# The program says at each start what such a kernel does not restrict.
sub _has_older_landlock {
    my ($major, $minor) = (POSIX::uname())[2] =~ /^(\d+)\.(\d+)/ or return 0;
    return $major * 1000 + $minor < 6012;
}

# Announces events that this file provokes on purpose.
sub expect_log {
    for my $event (@_) {
        $EVENTS{$event} or die "no such event: $event\n";
        $expected{$event} = 1;
        # With many sessions a worker each session of it has a line of its own.
        $expected{'session-lost'} = 1 if $event eq 'worker-died' && has_many_sessions();
    }
    return;
}

my $log;

sub _log { return $log ||= Pop3Test::Log->new("$temporary/log") }

# A log file; done() tests its lines as well.
sub log_file { my ($path) = @_; push @log_files, Pop3Test::Log->of_file($path); return $log_files[-1] }

sub expect_reason { $expected{"reason=$_"} = 1 for @_; return }

# All lines so far, or those with this event.
sub log_lines { my ($event) = @_; return defined $event ? _log()->with_event($event) : _log()->lines }

sub show { return Pop3Test::Stream::show(@_) }

# ---- scenes ----

sub scene {
    my ($name, $code) = @_;
    @proxies = @servers = ();
    my $passed = subtest $name => sub {
        my $finished = eval { $code->(); 1 };
        my $error = $@;
        fail($error =~ s/\n\z//r) if !$finished;
        _end_scene($finished);
    };
    _sweep();
    if (!$passed) {
        my @lines = _log()->lines;
        diag("log: $_->{raw}") for @lines > 8 ? @lines[ -8 .. -1 ] : @lines;
    }
    return;
}

# Closes what a skipped scene has left.
sub _sweep {
    $_->close   for @proxies, @servers;
    $_->destroy for map { $_->processes } @proxies;
    my @left = grep { $_->{name} =~ /^pop3[.:]/ } orphans();
    kill 'KILL', map { $_->{pid} } @left if @proxies;
    @proxies = @servers = ();
    return;
}

sub _end_scene {
    my ($finished) = @_;
    my @processes = map { $_->processes } @proxies;
    $_->close for @proxies;
    wait_until(sub { !grep { $_->is_running } @processes }, 0.5);
    # A session that still waits for a server's reply now sees the server close.
    $excused{ $_->pid } = 1 for grep { $_->is_running } @processes;
    $_->close for @servers;
    my $ended = wait_until(sub { !grep { $_->is_running } @processes });
    fail('every process ended by itself') if !$ended;
    $_->destroy for @processes;
    Pop3Test::Loop::turn(0) for 1 .. 3;     # what they wrote last
    for my $proxy (@proxies) {
        my $any = $proxy->{any_exit};
        my @wrong = grep { !$any && !$_->{signalled} && $_->{status} } $proxy->processes;
        fail('exit status: ' . exit_code($_->{status})) for @wrong;
        fail('standard error: ' . show($proxy->stderr)) if length $proxy->stderr && !$proxy->{any_stderr};
    }
    if (!wait_until(sub { !grep { $_->{name} =~ /^pop3[.:]/ } orphans() }, 3)) {
        my @left = grep { $_->{name} =~ /^pop3[.:]/ } orphans();
        fail("processes that go on: @{[ map { $_->{pid} } @left ]}");
        kill 'KILL', map { $_->{pid} } @left;
    }
    push @violations, map { @{ $_->{violations} } } @servers;
    @proxies = @servers = ();
    pass('processes ended in order') if $finished;
    return;
}

# The tests that every file needs, and the plan.
sub done {
    my @lines = map { $_->lines } _log(), @log_files;
    my @bad = grep { defined } map { _complaint($_) } @lines;
    ok(!@violations, 'nothing forbidden reached a server') or diag(join "\n", splice @violations, 0, 10);
    ok(!@bad, 'the log has no unexpected line') or diag(join "\n", splice @bad, 0, 10);
    my @reports = map { read_file($_) } glob "$temporary/san/*";
    ok(!@reports, 'no sanitizer report') or diag(substr join("\n", @reports), 0, 8000);
    done_testing();
    return;
}

sub _complaint {
    my ($line) = @_;
    # What is repeated was written before. Its text comes from memory that a broken worker can write.
    return if $line->{event} eq 'repeated' && ($expected{repeated} || !$line->{malformed});
    return "malformed ($line->{malformed}): " . show($line->{raw}) if $line->{malformed};
    return "a password: " . show($line->{raw}) if grep { index($line->{raw}, $_) >= 0 } @secrets;
    return "unknown event: $line->{raw}" if !$EVENTS{ $line->{event} };
    return "of which session: $line->{raw}" if $IS_OF_SESSION{ $line->{event} } && ($line->{f}{session} // '-') eq '-';
    return "a plural after 1: $line->{raw}" if $line->{event} ne 'session' && ($line->{f}{text} // '') =~ $PLURAL;
    my $announced = $expected{ $line->{event} }
        || $line->{event} eq 'sandbox' && $line->{f}{text} =~ /this build has no libseccomp/;
    if ($line->{event} eq 'session') {
        my $reason = $line->{f}{reason} // '';
        return "unknown reason: $line->{raw}" if !$REASONS{$reason};
        $announced = $expected{"reason=$reason"} || $excused{ $line->{pid} } && $reason =~ /^server-/;
    }
    return "not announced: $line->{raw}" if !$announced && _severity($line) < 5;
    return;
}

# A log file has no severity: use the mildest that the event may have.
sub _severity {
    my ($line) = @_;
    return $line->{priority} & 7 if defined $line->{priority};
    return $REASONS{ $line->{f}{reason} }{severity} if $line->{event} eq 'session';
    return max(values %{ $EVENTS{ $line->{event} } });
}

# ---- nothing may hang ----

sub _start_watchdog {
    my $limit = $ENV{POP3_TEST_WATCHDOG} || 240;
    $SIG{ALRM} = sub {
        diag("the whole file took more than $limit s");
        exit 255;
    };
    alarm $limit;
    return;
}

1;
