use inf_llava::engine::Engine;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open("models/demo")?;
    let mut conversation = engine.conversation();
    conversation.look("1.png", std::fs::read("models/demo/samples/1.png")?)?;
    println!("{}", conversation.ask("Read the white sign.")?.text);
    // An answer can be read while it is generated, and handles can be sent to other threads.
    for piece in conversation.stream("How many red shapes are there?") {
        println!("{}", piece?);
    }
    Ok(())
}
