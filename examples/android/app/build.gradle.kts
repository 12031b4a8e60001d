plugins {
    // It compiles Kotlin too.
    id("com.android.application") version "9.3.2"
}

// The model files are those of the package: copied when the app is built, not kept twice.
val models = tasks.register<Copy>("copyModels") {
    from("../../../unmask_sdk/artifacts") {
        include("detector-int8.tflite", "aligner-int8.tflite", "unmask-256-lite-int8.tflite")
    }
    into(layout.buildDirectory.dir("models"))
}

tasks.named("preBuild") { dependsOn(models) }

android {
    namespace = "com.example.unmask"
    compileSdk = 36
    defaultConfig {
        applicationId = "com.example.unmask"
        // ImageDecoder, which turns photos upright.
        minSdk = 28
        targetSdk = 36
        versionCode = 1
        versionName = "1"
    }
    sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("models"))
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    implementation("com.google.ai.edge.litert:litert-gpu:2.3.0")
}
