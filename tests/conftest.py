"""Tests train in a process that is set up as a worker's."""

from bench.process import settle_process

settle_process()
