# SPDX-License-Identifier: BSD-2-Clause
#
# A socketmap server that knows every user and answers all of them alike: one process, one loop.
package Bench::Socketmap;

use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;

# Answers on this socket until a signal ends it.
sub serve {
    my ($path, $server) = @_;
    my $text = "OK $server";
    my $answer = length($text) . ":$text,";
    my $listener = IO::Socket::UNIX->new(Local => "$path.new", Listen => 128) or die "$path: $!\n";
    chmod 0666, "$path.new";
    rename "$path.new", $path or die "$path: $!\n";
    local $SIG{PIPE} = 'IGNORE';
    my $all = IO::Select->new($listener);
    while (my @ready = $all->can_read) {
        for my $one (@ready) {
            if ($one == $listener) { $all->add($listener->accept) }
            elsif (sysread $one, my $question, 4096) { syswrite $one, $answer }
            else { $all->remove($one); close $one }
        }
    }
}

1;
