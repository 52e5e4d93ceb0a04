# SPDX-License-Identifier: BSD-2-Clause
#
# pop3.proxy with each kind of routing table. All users have the same server, which the table names;
# each variant differs from `none` only in how it finds that out.
package Bench::Peers::Routed;

use strict;
use warnings;
use Bench::Peers::Config qw(config);
use Bench::Peers::Product;
use Bench::Process;
use Bench::System qw(in_path pause);
use File::Basename qw(dirname);

my $USERS = 1_000_000;          # of a file or database; pop3_load begins again after them
my $USERS_IN_MEMORY = 100_000;  # of a passwd-file: more than the logins of a turn

my %prepare = (
    none => sub { return () },
    group => \&group_keys,
    file => sub { my ($at) = @_; return file_keys($at, $USERS) },
    cdb => \&cdb_keys,
    socketmap => \&socketmap_keys,
    dovecot => sub { my ($at) = @_; return dovecot_keys($at, passwd_file($at)) },
    sqlite => sub { my ($at) = @_; return dovecot_keys($at, sqlite($at)) },
);

sub start {
    my ($at) = @_;
    my %key = $prepare{$at->{kind}}->($at);
    my $group = delete $key{group};
    my @command = Bench::Peers::Product::start_many($at, %key);
    return $group ? with_group($at, $group, @command) : @command;
}

# Product.pm writes one instance; the group is a section of its own, and the instance names it.
sub with_group {
    my ($at, $group, @command) = @_;
    open my $file, '<', $command[-1] or die "$command[-1]: $!\n";
    my $text = do { local $/; <$file> };
    $text =~ s/^server = .*$/server = group:bench/m;
    return (@command[0 .. $#command - 1], config($at, 'group.ini', "$text\n$group"));
}

sub place { my ($at) = @_; return "$at->{server}:$at->{server_port}" }

# All servers are ranked for each login. The weights send it to the one that runs.
sub group_text {
    my ($at, $count) = @_;
    my @others = map { "$at->{server}:$_" } 2 .. $count;    # of weight 1
    return "[group bench]\nservers = " . join(', ', place($at) . '*10000', @others) . "\ncheck = no\n";
}

sub group_keys { my ($at) = @_; return (group => group_text($at, 10)) }

# ---- users ----

# Writes a file once for all variants: a line for each user, in a format with a %06d for his number.
sub users_file {
    my ($at, $name, $count, $format) = @_;
    my $path = dirname($at->{dir}) . "/$name";
    return $path if -e $path;
    open my $file, '>', "$path.new" or die "$path: $!\n";
    printf {$file} $format, $_ for 0 .. $count - 1;
    close $file or die "$path: $!\n";
    chmod 0644, "$path.new";
    rename "$path.new", $path or die "$path: $!\n";
    return $path;
}

sub table_file {
    my ($at, $count) = @_;
    return users_file($at, "users-$count-$at->{server_port}", $count, "m0x0-%06d " . place($at) . "\n");
}

sub file_keys { my ($at, $count) = @_; return (route => 'file:' . table_file($at, $count)) }

# Runs a program that makes a file for all variants.
sub make {
    my ($path, $package, $program, @arguments) = @_;
    return $path if -e $path;
    my $found = in_path($program) or die "$program is not installed: apt-get install $package\n";
    system($found, @arguments) == 0 or die "$program: exit status $?\n";
    chmod 0644, $path;
    return $path;
}

sub cdb_keys {
    my ($at) = @_;
    my $text = table_file($at, $USERS);
    return (route => 'cdb:' . make("$text.cdb", 'tinycdb', 'cdb', '-c', '-m', "$text.cdb", $text));
}

# ---- tables that are servers ----

sub companion {
    my ($at, $name, $socket, @argv) = @_;
    push @{$at->{companions}}, Bench::Process->spawn(name => $name, argv => \@argv,
        cores => $at->{rest}, log => "$at->{dir}/$name.log");
    for (1 .. 200) {
        return if -S $socket;
        pause(0.05);
    }
    die "$name does not listen\n";
}

sub socketmap_keys {
    my ($at) = @_;
    my $socket = "$at->{dir}/socketmap";
    my $library = $INC{'Bench/Socketmap.pm'} || $INC{'Bench/System.pm'};
    companion($at, 'socketmap', $socket, $^X, '-I' . dirname(dirname($library)), '-MBench::Socketmap',
        '-e', 'Bench::Socketmap::serve(@ARGV)', $socket, place($at));
    return (route => "socketmap:unix:$socket:users");
}

sub passwd_file {
    my ($at) = @_;
    my $users = users_file($at, "passwd-$at->{server_port}", $USERS_IN_MEMORY,
        "m0x0-%06d:::::::nopassword=y proxy=y host=$at->{server} port=$at->{server_port}\n");
    return "driver = passwd-file\n  args = $users";
}

sub sqlite {
    my ($at) = @_;
    my $text = users_file($at, "rows-$at->{server_port}", $USERS,
        "m0x0-%06d|$at->{server}|$at->{server_port}\n");
    my $database = make("$text.db", 'sqlite3', 'sqlite3', "$text.db",
        'CREATE TABLE users (user TEXT PRIMARY KEY, host TEXT, port TEXT) WITHOUT ROWID', ".import $text users");
    my $query = config($at, 'dovecot-sql.conf', <<"END");
driver = sqlite
connect = $database
password_query = SELECT user, NULL AS password, 'y' AS nopassword, 'y' AS proxy, host, port FROM users WHERE user = '%u'
END
    return "driver = sql\n  args = $query";
}

sub dovecot_keys {
    my ($at, $passdb) = @_;
    my $dovecot = in_path('dovecot') or die "not installed: apt-get install dovecot-core\n";
    my $socket = "$at->{dir}/run/auth-userdb";
    my $file = config($at, 'dovecot.conf', <<"END");
base_dir = $at->{dir}/run
state_dir = $at->{dir}/state
instance_name = pop3bench
log_path = $at->{dir}/dovecot.log
info_log_path = /dev/null
protocols = none
ssl = no
passdb {
  $passdb
}
service auth {
  vsz_limit = 0
  client_limit = 4096
  unix_listener auth-userdb {
    mode = 0777
  }
}
END
    companion($at, 'dovecot', $socket, $dovecot, '-F', '-c', $file);
    return (route => "dovecot:$socket");
}

1;
