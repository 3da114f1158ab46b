//! Adds numbers in a database in memory.

use rusqlite::Connection;

fn main() -> rusqlite::Result<()> {
    let database = Connection::open_in_memory()?;
    database.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3)")?;
    let sum: i64 = database.query_row("SELECT sum(n) FROM t", [], |row| row.get(0))?;
    println!("{{\"ok\": {}}}", sum == 6);
    Ok(())
}
