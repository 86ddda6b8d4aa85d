"""How much the leader's objective depends on how followers break ties."""

from bilevel.certify.ties.checks import EXACT as EXACT
from bilevel.certify.ties.checks import tie_checks as tie_checks
from bilevel.certify.ties.worst import WorstTie as WorstTie
from bilevel.certify.ties.worst import worst_tie as worst_tie
