/**
 * Tools for tests: child processes that can be killed, a file system that fails on command, resident memory, hostile
 * safetensors files and replayable seeds. Knows no other room and is no part of what Quern ships.
 */
package quern.testkit;
