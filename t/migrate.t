# SPDX-License-Identifier: BSD-2-Clause
#
# The page for people who come from another gateway: every file on it is checked with -T, and users log in
# through it to the servers that it names.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::INET;
use Pop3Test::Process qw(spawn fork_off free_port);

my $page = read_file("$FindBin::Bin/../contrib/migrate/README.md");

# The files on the page: path, and for the file of pop3.proxy its section => text.
my %file;
while ($page =~ /^```\w+ file=(\S+)(?: section=(\S+))?\n(.*?)^```$/msg) {
    my $name = defined $2 ? "$1 $2" : $1;
    die "the page has $name twice\n" if $file{$name};
    $file{$name} = $3;
}
my @sections = sort map { / (\S+)\z/ ? $1 : () } keys %file;
my (%seen, $skipped);

# A copy of the files in a directory. Each pair replaces a text by another one, in all of them.
sub copies {
    my ($directory, $section, @replace) = @_;
    my %copy;
    for my $name (keys %file) {
        my ($path, $of) = split / /, $name;
        next if defined $of && $of ne $section;
        my $text = $file{$name};
        $text =~ s{/etc/(?:pop3\.proxy|perdition|dovecot)/}{$directory/}g;
        $text =~ s{/run/(?:pop3\.proxy|dovecot)/}{$directory/}g;
        $text =~ s/\*:110\b/127.0.0.1:0/g;
        for (my $i = 0; $i < @replace; $i += 2) { $text =~ s/\Q$replace[$i]\E/$replace[ $i + 1 ]/g }
        my $to = "$directory/" . $path =~ s{.*/}{}r;
        write_file($to, $text);
        chmod 0644, $to;
        $copy{ $path =~ s{.*/}{}r } = $text;
    }
    $seen{$section}++;
    return $copy{conf} // die "the page has no section $section\n";
}

# A master with the file of this section. It is checked first.
sub moved_to {
    my ($section, @replace) = @_;
    my $directory = directory(0755);
    my $text      = copies($directory, $section, @replace);
    my $tested    = run([ program(), '-T', '-f', "$directory/conf" ]);
    is exit_code($tested->{status}), 0, "$section: -T" or diag $tested->{err};
    my $master = master(-start => 0, server => '-');
    my $log    = join '', $master->{path} && read_file($master->{path}) =~ /^(log = .*\n)/m;
    $text = $text =~ /^\[proxy\]\n/m ? $text : "[proxy]\n$text";
    $text =~ s/^\[proxy\]\n/[proxy]\n${log}workers = 2\n/m;
    $text =~ s/^control = .*/control = $master->{keys}{control}/m or $text =~ s/^\[proxy\]\n/[proxy]\ncontrol = $master->{keys}{control}\n/m;
    $master->write_raw($text);
    return $master->start;
}

# Skips the scene for this reason.
sub skip_if {
    my ($is_skipped, $why) = @_;
    $skipped = 1 if $is_skipped;
    plan(skip_all => $why) if $is_skipped;
    return;
}

# Who has logged in at a server.
sub users { my ($server) = @_; return join ' ', map { /^USER (.*)/ ? $1 : () } $server->lines }

scene 'perdition' => sub {
    skip_if(run([ program(), '--version' ])->{out} !~ /regexp/, 'built without PCRE2');
    my ($a, $b, $c) = (server(), server(), server());
    my $master = moved_to('perdition', 'b.example.net:1110' => $b->address, 'a.example.net' => $a->address, 'c.example.net' => $c->address);
    $master->client->login($_)->quit for 'anna', 'bert@example.org', 'carl@example.com', 'dora';
    is users($a), 'anna dora', 'the popmap, and the default server';
    is users($b), 'bert', 'another login and port';
    is users($c), 'carl', 'the popmap.re';
};

scene 'several servers of perdition' => sub {
    skip_if(!features()->{groups}, 'built without groups');
    my ($a, $b) = (server(), server());
    my $master = moved_to('perdition-servers', 'a.example.net' => $a->address, 'b.example.net' => $b->address);
    $master->client->login($_)->quit for map { "user$_" } 1 .. 8;
    is scalar(split / /, join ' ', users($a), users($b)), 8, 'all users come to one of them';
};

scene 'nginx' => sub {
    skip_if(run([ program(), '--version' ])->{out} !~ /auth-http/, 'built without libcurl');
    my $server   = server();
    my ($host, $port) = split /:/, $server->address;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die "listen: $!\n";
    my $auth     = fork_off('auth_http', sub {
        local $/ = "\r\n\r\n";
        while (my $connection = $listener->accept) {
            while (my $request = <$connection>) {
                my $is_anna = $request =~ m{\AGET /auth } && $request =~ /^Auth-User: anna\r$/m;
                syswrite $connection, $is_anna
                    ? "HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: $host\r\nAuth-Port: $port\r\nContent-Length: 0\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nAuth-Status: Invalid login\r\nContent-Length: 0\r\n\r\n";
            }
        }
    });
    my $master = moved_to('nginx', '127.0.0.1:9000' => '127.0.0.1:' . $listener->sockport);
    $master->client->login('anna')->quit;
    is users($server), 'anna', 'the server that auth_http names';
    is $master->client->try_login('bert'), '-ERR Invalid login', 'its refusal';
    $auth->destroy;
};

scene 'a Dovecot proxy' => sub {
    expect_log('configuration');
    my ($program) = grep { -x } '/usr/sbin/dovecot', '/usr/local/sbin/dovecot';
    skip_if(!is_root(), 'needs root, for the user of the socket');
    skip_if(!$program || run([ $program, '--version' ])->{out} !~ /^2\.3\./, 'needs Dovecot 2.3');
    $seen{dovecot}++;
    my $server    = server();
    my $directory = directory(0755);
    my ($host, $port) = split /:/, $server->address;
    copies($directory, 'dovecot', 'host=a.example.net port=110' => "host=$host port=$port");
    my $conf = read_file("$directory/dovecot.conf");
    write_file("$directory/dovecot.conf", "$conf\nbase_dir = $directory/run\nstate_dir = $directory/run\nlog_path = $directory/dovecot.log\n");
    open my $null, '>', '/dev/null' or die $!;
    my $dovecot = spawn(command => [ $program, '-F', '-c', "$directory/dovecot.conf" ], fds => { 1 => $null, 2 => $null });
    ok wait_until(sub { -S "$directory/run/auth-userdb" }, 20), 'Dovecot listens';
    my $master = moved_to('dovecot');
    $master->write_raw(read_file($master->{path}) =~ s{dovecot:\S+}{dovecot:$directory/run/auth-userdb}r);
    $master->reload;
    $master->client->login('anna')->quit;
    is users($server), 'a.n.other', 'the fields of its passdb';
    like $master->client->try_login('bert'), qr/^-ERR \[AUTH\]/, 'a user that it does not know';
    $dovecot->signal('TERM');
    $dovecot->wait(10);
};

scene 'a Dovecot director' => sub {
    skip_if(!features()->{groups}, 'built without groups');
    my ($a, $b) = (server(), server());
    my $master = moved_to('director', 'a.example.net' => $a->address, 'b.example.net' => $b->address);
    $master->client->login($_)->quit for map { ("user$_") x 2 } 1 .. 8;
    my %count;
    $count{$_}++ for split / /, join ' ', users($a);
    is_deeply [ grep { $_ != 2 } values %count ], [], 'each user comes to one server';
};

scene 'users moved one by one' => sub {
    my ($old, $new) = (server(), server());
    my $master = moved_to('moved', 'old.example.net' => $old->address, 'new.example.net' => $new->address);
    $master->client->login($_)->quit for 'anna@example.net', 'bert@example.net';
    is users($old), 'bert@example.net', 'who is not moved';
    is users($new), 'anna@example.net', 'who is';
};

scene 'every file of the page was tried' => sub {
    plan skip_all => 'scenes were skipped' if $skipped;
    cmp_ok scalar @sections, '>', 5, 'the page has files';
    is_deeply [ grep { !$seen{$_} } @sections ], [], 'each section';
};

done;
