// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// The loops that Scripts/count-instructions.sh and Scripts/count-allocations.sh measure, built as a client builds them.
let package = Package(
    name: "hot-path",
    dependencies: [
        .package(name: "swift-uring", path: "../.."),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "hot-path",
            dependencies: [
                .product(name: "URing", package: "swift-uring"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Sources/HotPath",
            swiftSettings: [.strictMemorySafety(), .treatAllWarnings(as: .error)]
        ),
        // The same loops on plain liburing, for the ratio. No Swift target may depend on it: its header excludes swift-system's.
        .executableTarget(
            name: "hot-path-c",
            path: "Sources/HotPathC",
            cSettings: [.define("_GNU_SOURCE")],
            linkerSettings: [.linkedLibrary("uring")]
        ),
    ],
    swiftLanguageModes: [.v6]
)
