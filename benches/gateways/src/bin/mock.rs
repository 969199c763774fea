//! The mock upstream alone: `mock LISTEN`, until it is terminated.

use gateways::mock::Mock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).ok_or("mock LISTEN")?;
    let mock = Mock::start(listen.parse()?).await?;
    println!("listening on {}", mock.address);
    std::future::pending().await
}
