"""A detector behind HTTP:  MODEL=best.safetensors uvicorn serve:app
curl --data-binary @photo.jpg localhost:8000/detect"""

import os

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

import fovea

app, model = FastAPI(), fovea.Detector(os.environ["MODEL"])


@app.post("/detect")
async def detect(request: Request):
    try:
        found = await run_in_threadpool(model, await request.body(), score_threshold=0.3)
    except fovea.DataError as error:
        raise HTTPException(400, str(error)) from error
    return [box._asdict() for box in found]
