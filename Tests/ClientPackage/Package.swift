// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package as a user writes it: strict, without experimental features, and without one `unsafe`.
let package = Package(
    name: "client",
    dependencies: [
        .package(name: "swift-uring", path: "../..")
    ],
    targets: [
        .executableTarget(
            name: "ReadmeProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: [.strictMemorySafety(), .treatAllWarnings(as: .error)]
        )
    ],
    swiftLanguageModes: [.v6]
)
