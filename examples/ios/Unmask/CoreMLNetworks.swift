import CoreML
import CoreVideo
import Foundation

enum NetworksError: LocalizedError {
    case missing(String)
    case noPixelBuffer(CVReturn)

    var errorDescription: String? {
        switch self {
        case .missing(let name): "the app has no model \(name); README.md names the command"
        case .noPixelBuffer(let code): "no pixel buffer: CVReturn \(code)"
        }
    }
}

/// Runs the networks with Core ML.
final class CoreMLNetworks: Networks {
    private let detector: MLModel
    private let aligner: MLModel
    private let unmasker: MLModel

    init(units: MLComputeUnits = .all) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        func open(_ name: String) throws -> MLModel {
            guard let file = Bundle.main.url(forResource: name, withExtension: "mlmodelc") else {
                throw NetworksError.missing(name)
            }
            return try MLModel(contentsOf: file, configuration: configuration)
        }
        detector = try open("detector-fp16")
        aligner = try open("aligner-fp16")
        unmasker = try open("unmask-256-lite-fp16")
    }

    func detect(_ tile: Pixels) throws -> Maps {
        let found = try run(detector, tile)
        let cells = tileSide / 8
        return Maps(width: cells, height: cells, heat: floats(found, "heat"), box: floats(found, "box"))
    }

    func align(_ crop: Pixels) throws -> Aligned {
        let found = try run(aligner, crop)
        return Aligned(points: floats(found, "points"), score: floats(found, "score")[0])
    }

    func unmask(_ crop: Pixels) throws -> Filled {
        let found = try run(unmasker, crop)
        return Filled(unmasked: pixels(found, "unmasked"), mask: pixels(found, "mask"))
    }

    private func run(_ model: MLModel, _ image: Pixels) throws -> MLFeatureProvider {
        let input = MLFeatureValue(pixelBuffer: try pixelBuffer(image))
        return try model.prediction(from: MLDictionaryFeatureProvider(dictionary: ["image": input]))
    }

    private func floats(_ outputs: MLFeatureProvider, _ name: String) -> [Float] {
        MLShapedArray<Float>(converting: outputs.featureValue(for: name)!.multiArrayValue!).scalars
    }
}

/// Core ML takes images as BGRA.
private func pixelBuffer(_ image: Pixels) throws -> CVPixelBuffer {
    var made: CVPixelBuffer?
    let code = CVPixelBufferCreate(
        nil, image.width, image.height, kCVPixelFormatType_32BGRA, nil, &made)
    guard let buffer = made else { throw NetworksError.noPixelBuffer(code) }
    CVPixelBufferLockBaseAddress(buffer, [])
    defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
    let rows = CVPixelBufferGetBaseAddress(buffer)!.assumingMemoryBound(to: UInt8.self)
    for y in 0..<image.height {
        var to = y * CVPixelBufferGetBytesPerRow(buffer)
        for x in 0..<image.width {
            let from = 3 * (y * image.width + x)
            for k in 0..<3 { rows[to + k] = image.data[from + 2 - k] }
            rows[to + 3] = 255
            to += 4
        }
    }
    return buffer
}

/// Reads an output image: BGRA, or gray with one byte a pixel.
private func pixels(_ outputs: MLFeatureProvider, _ name: String) -> Pixels {
    let buffer = outputs.featureValue(for: name)!.imageBufferValue!
    let gray = CVPixelBufferGetPixelFormatType(buffer) == kCVPixelFormatType_OneComponent8
    CVPixelBufferLockBaseAddress(buffer, .readOnly)
    defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
    let rows = CVPixelBufferGetBaseAddress(buffer)!.assumingMemoryBound(to: UInt8.self)
    let (width, height) = (CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer))
    var image = Pixels(width: width, height: height, channels: gray ? 1 : 3)
    for y in 0..<height {
        let row = y * CVPixelBufferGetBytesPerRow(buffer)
        for x in 0..<width {
            if gray {
                image.data[y * width + x] = rows[row + x]
            } else {
                for k in 0..<3 { image.data[3 * (y * width + x) + k] = rows[row + 4 * x + 2 - k] }
            }
        }
    }
    return image
}
