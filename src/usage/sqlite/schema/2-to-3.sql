ALTER TABLE attempts ADD COLUMN cache_write_1h INTEGER;  -- the part of cache_write that stays for an hour
