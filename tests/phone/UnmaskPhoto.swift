// Unmasks a photo with the Swift files of examples/ios; the networks run in another process.
// Arguments: width, height. Messages on stdin and stdout: see test_phone_apps.py.

import Foundation

@main
struct UnmaskPhoto: Networks {
    static func main() throws {
        let sides = CommandLine.arguments.dropFirst().map { Int($0)! }
        let remote = UnmaskPhoto()
        let bytes = remote.read(3 * sides[0] * sides[1])
        var photo = Pixels(width: sides[0], height: sides[1], data: bytes)
        _ = try Unmask.unmask(&photo, remote)
        remote.send("r", photo.data)
    }

    func detect(_ tile: Pixels) -> Maps {
        send("d", tile.data)
        return Maps(width: 44, height: 44, heat: floats(44 * 44), box: floats(44 * 44 * 4))
    }

    func align(_ crop: Pixels) -> Aligned {
        send("a", crop.data)
        return Aligned(points: floats(10), score: floats(1)[0])
    }

    func unmask(_ crop: Pixels) -> Filled {
        send("u", crop.data)
        let unmasked = Pixels(width: 256, height: 256, data: read(256 * 256 * 3))
        return Filled(
            unmasked: unmasked, mask: Pixels(width: 256, height: 256, channels: 1, data: read(256 * 256)))
    }

    func send(_ kind: Character, _ data: [UInt8]) {
        FileHandle.standardOutput.write(Data([kind.asciiValue!] + data))
    }

    func read(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            bytes += FileHandle.standardInput.readData(ofLength: count - bytes.count)
        }
        return bytes
    }

    func floats(_ count: Int) -> [Float] {
        read(4 * count).withUnsafeBytes { raw in
            (0..<count).map { raw.load(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }
}
