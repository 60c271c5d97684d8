// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support
import URing

struct SyncGroups: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync-groups", abstract: "Run five entries, of which two pairs have to be carried out one after the other.",
        discussion: """
            Entries 1 and 3 are of one group, 2 and 4 of another, and 5 is of none. Entries 1 and 2 wait until the main loop releases them, \
            2 when 5 has completed, and 1 when 4 has. So the order shows that 4 waited for 2, and not for 3, which was queued between.
            """)

    func run() throws {
        var mainLoop = try MainLoop()
        let words = [FutexWord(), FutexWord()]
        try mainLoop.start { context in
            context.attach(FiveEntriesProgram(words: words))
        }
        var order: [String] = []
        while let event = try mainLoop.nextEvent() {
            guard event.message.kind == FiveEntriesProgram.completed else {
                say("Entry 5 completes while \(event.message.value) others are in flight.\n")
                continue
            }
            order.append("\(event.message.value)")
            switch event.message.value {
            case 5: words[1].release()
            case 4: words[0].release()
            default: break
            }
        }
        say("The entries completed in the order \(order.joined(separator: " ")).\n")
    }
}

extension FutexWord {
    /// Lets those go on that wait while the number is zero.
    fileprivate func release() {
        value = 1
        wake(count: 1)
    }
}
