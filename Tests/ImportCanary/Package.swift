// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// Fails to build when URing's C module gets in the way of another C module that a program brings along.
let package = Package(
    name: "import-canary",
    dependencies: [
        .package(name: "swift-uring", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "ImportCanary",
            dependencies: [
                .product(name: "URing", package: "swift-uring"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]
        )
    ],
    swiftLanguageModes: [.v6]
)
