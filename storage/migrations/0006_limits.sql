-- A value can lie within its range and still be wrong: a jump that nothing makes, a sensor that has stopped measuring.
ALTER TABLE series ADD COLUMN max_rate float8, ADD COLUMN stuck_after_s float8;
COMMENT ON COLUMN series.max_rate IS 'Declared fastest plausible change, units a second; readings after a faster one are kept, with quality bit 16.';
COMMENT ON COLUMN series.stuck_after_s IS 'Declared: unchanged for so many seconds, a value is not measured any more; kept, with quality bit 32.';
COMMENT ON COLUMN reading.quality IS 'Bits: 1 out of range, 2 implausible time, 4 no absolute time, 8 bucket was frozen, 16 changed too fast, 32 stuck, 64 another reading has this time, 128 came in another unit (and was converted). 0 is good. See docs/quality-flags.md.';
