//! Databases of a test's own, on the Postgres server that there is.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};

use super::wire::Wire;

/// Makes one beside the `given` one: its URL.
pub(crate) async fn new_database(given: &str, purpose: &str) -> String {
    let mut connection = PgConnection::connect(given).await.expect("Postgres is up");
    let name = format!("lectern_{purpose}_{}", std::process::id());
    raw_sql(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await
        .expect("a new database");
    let (server, _) = given.rsplit_once('/').expect("a URL that names a database");
    format!("{server}/{name}")
}

/// The same, and the only way to it. Others would end our meetings in theirs while we can't say that we are there.
pub(crate) async fn cuttable_database(given: &str, purpose: &str) -> (Wire, String) {
    let url = new_database(given, purpose).await;
    let (server, name) = url.rsplit_once('/').expect("a URL that names a database");
    let (host, port) = server.rsplit_once(':').expect("a URL with a port");
    let wire = Wire::to(port.parse().expect("a port")).await;
    let url = format!("{host}:{}/{name}", wire.port);
    (wire, url)
}
