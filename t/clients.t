# SPDX-License-Identifier: BSD-2-Clause
#
# Real mail programs fetch real mail from a real Dovecot, directly and through the proxy, and must get
# the same octets: curl, fetchmail, mpop, Net::POP3 and Python's poplib, each if it is installed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Dovecot;

my @messages = (
    "Subject: plain\nFrom: a\@example.org\n\nhello\n",
    "Subject: dots\nFrom: a\@example.org\n\n.\n..\n.a\n. \n...\nend\n.\n",
    "Subject: 8-bit\nFrom: a\@example.org\n\n" . join('', map { chr } 128 .. 255) . "\ngr\xc3\xbc\xc3\x9fe\n",
    "Subject: a long line\nFrom: a\@example.org\n\n" . 'x' x 10_000 . "\nend\n",
    "Subject: empty body\nFrom: a\@example.org\n\n",
    "Subject: no final newline\nFrom: a\@example.org\n\nlast line",
    "Subject: no body at all\nFrom: a\@example.org\n",
    "Subject: blanks\nFrom: a\@example.org\n\n  \t \n\n\n   x   \n\n",
    message(5_000_000) =~ s/\r\n/\n/gr,
    "Subject: last\nFrom: a\@example.org\n\nthe end\n",
);

plan(skip_all => 'Dovecot is not installed') if !Pop3Test::Dovecot::program();
plan(skip_all => 'Dovecot wants a user with a name') if !getpwuid $>;
my $dovecot = Pop3Test::Dovecot->start(directory(0755), @messages);
my ($user, $password) = ($Pop3Test::Dovecot::USER, $Pop3Test::Dovecot::PASSWORD);
secret($password);

# curl would use POP3_PROXY and others as the address of an HTTP or SOCKS proxy.
my @for_programs = (limit => 60, unset => [qw(POP3_PROXY pop3_proxy ALL_PROXY all_proxy)]);

sub through { return proxy('127.0.0.1:' . $dovecot->port) }

# Compares what $fetch->($port) returns (a list of octets) without and with
# the proxy.
sub same_octets {
    my ($name, $fetch) = @_;
    my @direct = $fetch->($dovecot->port);
    my @proxied = $fetch->(through()->serve);
    is scalar @proxied, scalar @direct, "$name: as many";
    for my $i (0 .. $#direct) {
        ok defined $proxied[$i] && $proxied[$i] eq $direct[$i], "$name: number " . ($i + 1) . ', ' . length($direct[$i]) . ' octets';
    }
    return @direct;
}

sub successful {
    my ($name, @arguments) = @_;
    my $result = run(@arguments, @for_programs);
    die "$name: exit " . exit_code($result->{status}) . ' ' . show($result->{err} . $result->{out}) . "\n" if $result->{status};
    return $result;
}

scene 'octet for octet' => sub {
    my $direct  = $dovecot->client->login($user, $password);
    my $proxied = through()->client->login($user, $password);
    is $proxied->ask($_), $direct->ask($_), $_ for 'STAT', 'LIST 3', 'UIDL 3', 'NOOP', 'LIST 99', 'RETR 99';
    for my $command ('LIST', 'UIDL', map { ("RETR $_", "TOP $_ 0", "TOP $_ 3") } 1 .. @messages) {
        my @direct  = $direct->fetch($command, 30);
        my @proxied = $proxied->fetch($command, 30);
        ok "@proxied" eq "@direct", $command;
    }
    is $proxied->quit, $direct->quit, 'QUIT';
};

scene 'pipelined' => sub {
    my @wire = map {
        my $client = $_;
        $client->send("USER $user\r\nPASS $password\r\n", (map { "RETR $_\r\nTOP $_ 1\r\n" } 1 .. @messages), "STAT\r\nQUIT\r\n");
        $client->rest(60) =~ s/\A(?:[^\r\n]*\r\n){3}//r;
    } $dovecot->client, through()->client;
    ok $wire[0] eq $wire[1] && length $wire[0] > 5_000_000, 'the same ' . length($wire[0]) . ' octets';
};

scene 'curl' => sub {
    installed('curl') or plan(skip_all => 'curl is not installed');
    my @curl = (qw(curl -s -S --max-time 60 --user), "$user:$password");
    my @got  = same_octets('message', sub {
        my ($port) = @_;
        return map { successful('curl', [ @curl, "pop3://127.0.0.1:$port/$_" ])->{out} } 1 .. @messages;
    });
    cmp_ok length $got[8], '>', 5_000_000, 'all of the big one';
    same_octets('list', sub { successful('curl', [ @curl, "pop3://127.0.0.1:$_[0]/" ])->{out} });
    same_octets('UIDL', sub { successful('curl', [ @curl, '-X', 'UIDL', "pop3://127.0.0.1:$_[0]/" ])->{out} });
    same_octets('TOP',  sub { successful('curl', [ @curl, '-X', 'TOP 2 1', "pop3://127.0.0.1:$_[0]/" ])->{out} });
    same_octets('STAT', sub { successful('curl', [ @curl, '-I', '-X', 'STAT', "pop3://127.0.0.1:$_[0]/" ])->{out} });
    my $wrong = run([ @curl[ 0 .. 4 ], '--user', "$user:wrong", 'pop3://127.0.0.1:' . through()->serve . '/1' ], @for_programs);
    is exit_code($wrong->{status}), 67, 'a wrong password is reported as such';
};

# What a mail program delivered into a directory, in a fixed order.
sub delivered { my ($pattern) = @_; return sort map { read_file($_) } glob $pattern }

scene 'fetchmail' => sub {
    installed('fetchmail') or plan(skip_all => 'fetchmail is not installed');
    my @got = same_octets('message', sub {
        my ($port) = @_;
        my $dir = directory(0755);
        my $mda = executable("#!/bin/sh\nexec cat >$dir/message.\$\$\n");
        my $rc  = write_file("$dir/rc", "poll 127.0.0.1 protocol POP3 service $port auth password user \"$user\" there password"
            . " \"$password\" is \"nobody\" here fetchall keep no rewrite sslproto '' mda \"$mda\"\n", 0600);
        successful('fetchmail', [ 'fetchmail', '--nodetach', '--invisible', '-f', $rc, '--pidfile', "$dir/pid" ],
            env => { FETCHMAILHOME => $dir, HOME => $dir });
        return delivered("$dir/message.*");
    });
    is scalar @got, scalar @messages, 'all of them';
};

scene 'mpop' => sub {
    installed('mpop') or plan(skip_all => 'mpop is not installed');
    my @got = same_octets('message', sub {
        my ($port) = @_;
        my $dir = directory(0755);
        mkdir "$dir/$_" for 'm', 'm/cur', 'm/new', 'm/tmp';
        my $rc = write_file("$dir/rc", join("\n", 'account default', 'host 127.0.0.1', "port $port", 'tls off', 'auth user',
            "user $user", "password $password", "delivery maildir $dir/m", 'keep on', 'received_header off',
            "uidls_file $dir/uidls", ''), 0600);
        successful('mpop', [ 'mpop', '-q', '-C', $rc ], env => { HOME => $dir });
        return delivered("$dir/m/new/*");
    });
    is scalar @got, scalar @messages, 'all of them';
};

scene 'Net::POP3' => sub {
    plan(skip_all => 'Net::POP3 is not installed') if !eval { require Net::POP3; 1 };
    my $script = <<'EOT';
        my ($port, $user, $password) = @ARGV;
        my $pop = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 30) or die "no connection\n";
        my $count = $pop->login($user, $password) or die "no login\n";
        for my $n (1 .. $count) { print "== $n ", $pop->list($n), ' ', $pop->uidl($n), "\n", @{ $pop->get($n) }, @{ $pop->top($n, 2) } }
        $pop->quit;
EOT
    same_octets('dump', sub { successful('perl', [ $^X, '-MNet::POP3', '-e', $script, $_[0], $user, $password ])->{out} });
};

scene 'poplib' => sub {
    my $python = installed('python3');
    my $has = $python && run([ $python, '-c', 'import poplib' ])->{status};
    plan(skip_all => 'Python with poplib is not installed') if !defined $has || $has;
    my $script = <<'EOT';
import poplib, sys
poplib._MAXLINE = 1 << 20
out = sys.stdout.buffer
pop = poplib.POP3('127.0.0.1', int(sys.argv[1]), timeout=30)
pop.capa()
pop.user(sys.argv[2])
pop.pass_(sys.argv[3])
out.write(repr(sorted(pop.stat())).encode())
for n in range(1, pop.stat()[0] + 1):
    out.write(b'\n'.join(pop.retr(n)[1]) + b'\n' + b'\n'.join(pop.top(n, 2)[1]) + pop.uidl(n))
pop.noop(); pop.rset(); pop.quit()
EOT
    same_octets('dump', sub { successful('python', [ $python, '-c', $script, $_[0], $user, $password ])->{out} });
};

scene 'deletions' => sub {
    my $before = $dovecot->client->login($user, $password);
    my ($count) = $before->ask('STAT') =~ /^\+OK (\d+)/;
    $before->quit;
    my $lost = through()->client->login($user, $password);
    $lost->ask('DELE 1');
    $lost->close;
    $lost->process->wait;
    my $client = through()->client->login($user, $password);
    like $client->ask('STAT'), qr/^\+OK $count /, 'a lost client deletes nothing';
    $client->ask('DELE 1');
    $client->ask('DELE 2');
    $client->ask('RSET');
    $client->ask('DELE ' . $count);
    like $client->quit, qr/^\+OK/, 'QUIT';
    is $client->session_line->{commit}, 'ok', 'commit=ok';
    my $after = $dovecot->client->login($user, $password);
    like $after->ask('STAT'), qr/^\+OK @{[ $count - 1 ]} /, 'one message less';
    is + (grep { /^Subject: / } split /\r\n/, ($after->fetch('TOP 1 0'))[1])[0], 'Subject: plain', 'the right one';
    $after->quit;
};

scene 'a wrong password' => sub {
    my $client = through()->client;
    like $client->try_login($user, 'wrong'), qr/^-ERR \[AUTH\]/, 'is refused as such';
    ok $client->closes, 'and the session ends';
};

$dovecot->stop;
done;
