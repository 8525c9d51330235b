-- Nothing asks for it since searches have their index, and each row was taken apart for it.
ALTER TABLE audit DROP COLUMN team;
